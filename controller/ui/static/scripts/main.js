// The page: from an address to what is asked of the hub, and from its answers to what is shown.

import * as actions from "./actions.js";
import * as api from "./api.js";
import { show } from "./dom.js";
import * as frame from "./frame.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import { placeOf, store } from "./store.js";
import * as times from "./times.js";
import * as bundle from "./views/bundle.js";
import * as bundles from "./views/bundles.js";
import * as cluster from "./views/cluster.js";
import * as deletion from "./views/deletion.js";
import * as deletions from "./views/deletions.js";
import * as drifts from "./views/drifts.js";
import * as event from "./views/event.js";
import * as events from "./views/events.js";
import * as fleet from "./views/fleet.js";
import * as past from "./views/past.js";
import * as nowhere from "./views/nowhere.js";
import * as rollout from "./views/rollout.js";
import * as rollouts from "./views/rollouts.js";
import * as signin from "./views/signin.js";
import * as sources from "./views/sources.js";

const VIEWS = { at: [past, past], bundles: [bundles, bundle], clusters: [fleet, cluster], deletions: [deletions, deletion], drift: [drifts, drifts], events: [events, event], rollouts: [rollouts, rollout], sources: [sources, sources] };
const EVERYWHERE = { status: "status", sources: "sources?limit=1000" };
const ROUNDS = 2; // a cluster names its bundles, then the objects of one are asked for
const BUSY = 503; // the hub would answer later
const TICK_MS = 1000; // ages grow by the second

let shownPlace = "";

function view() {
  if (store.session === null && store.connection !== "silent") return signin;
  const [kind, name] = store.place.path;
  if (!kind) return fleet;
  return VIEWS[kind]?.[name ? 1 : 0] ?? nowhere;
}

async function refresh() {
  try {
    if (store.session === null) await enter();
    let place = null;
    while (store.session !== null && place !== store.place) {
      place = store.place;
      await look(place);
    }
    store.connection = "connected";
  } catch (error) {
    await failed(error);
  }
  render();
}

/** Ask for what the view needs; what it needs may depend on what it is told first. */
async function look(place) {
  let asked = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    const wanted = { ...EVERYWHERE, ...view().needs(place, store) };
    const fresh = Object.entries(wanted).filter(([name, path]) => asked[name] !== path && !(api.isPast(path) && store.told[name] === path));
    const found = await Promise.all(fresh.map(async ([name, path]) => [name, await part(path)]));
    if (place !== store.place) return;
    for (const [name, { body, refusal }] of found) {
      store.data[name] = body;
      store.missing[name] = refusal;
      store.told[name] = refusal?.status === BUSY ? "" : wanted[name];
    }
    asked = wanted;
  }
  times.heard(store.data.status?.asOf);
}

async function part(path) {
  try {
    return { body: await (/^(clusters|sources|bundles|rollouts|drift)\b[^/]*$/.test(path) ? api.list(path) : api.get(path)) };
  } catch (error) {
    if (error instanceof api.Refused && error.status !== 401) return { refusal: error };
    throw error;
  }
}

async function enter() {
  const [word, code] = store.place.path;
  if (word === "sign-in" && code) {
    history.replaceState(null, "", "#/");
    store.place = placeOf("");
    await actions.signIn({ code });
  } else {
    const found = await api.session();
    if (found !== null) actions.begin(found);
  }
}

async function failed(error) {
  if (error instanceof api.Silent) {
    if (store.connection !== "silent") store.silentSince = times.now();
    store.connection = "silent";
  } else if (error instanceof api.Refused) {
    store.connection = "connected";
    if (error.status === 401) actions.begin(null);
    store.notice = error.status === 401 ? "Your session is over: its time is up, its token was revoked, or the hub began anew." : error.message;
  } else {
    throw error;
  }
}

function render() {
  const chosen = view();
  frame.render();
  const main = document.getElementById("main");
  const isReady = chosen === signin || chosen.isReady(store);
  if (isReady) show(main, chosen.render(store.place, store));
  document.title = `${chosen.title(store.place)} · Flotilla`;
  const place = chosen.title(store.place);
  if (!isReady || place === shownPlace) return;
  const isFirst = shownPlace === "";
  shownPlace = place;
  if (chosen.focus) chosen.focus();
  else if (!isFirst) main.focus({ preventScroll: true });
  if (!isFirst) window.scrollTo(0, 0);
}

function moved() {
  store.place = placeOf(location.hash);
  store.notice = "";
  store.missing = {};
  store.told = {};
  render();
  live.soon(0);
}

actions.listen({ moved, render });
keys.listen();
window.addEventListener("hashchange", moved);
store.place = placeOf(location.hash);
frame.render();
live.begin(refresh);
setInterval(() => document.hidden || render(), TICK_MS);

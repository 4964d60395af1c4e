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
const CLUSTERS = "clusters?limit=1000";
const ROUNDS = 2; // a cluster names its bundles, then the objects of one are asked for
const BUSY = 503; // the hub would answer later
const TICK_MS = 1000; // ages grow by the second

let shownPlace = "";
let drawn = null; // the view that shows all that is known

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
    live.whole();
    await failed(error);
  }
  if (drawn === view()) frame.render();
  else render();
}

/** Ask for what the view needs; what it needs may depend on what it is told first. */
async function look(place) {
  const changed = live.taken(store.data.clusters?.items.length > fleet.NAMED_MAX);
  let asked = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    const wanted = { ...EVERYWHERE, ...view().needs(place, store) };
    const fresh = Object.entries(wanted).filter(([name, path]) => asked[name] !== path && !(api.isPast(path) && store.told[name] === path));
    const found = await Promise.all(fresh.map(async ([name, path]) => [name, await part(path, changed)]));
    if (place !== store.place) {
      live.whole();
      return;
    }
    for (const [name, { body, refusal }] of found) keep(name, wanted[name], body, refusal);
    asked = wanted;
  }
  times.heard(store.data.status?.asOf);
}

/** Keep a part; what is as it was needs not be drawn again. `status` is the frame's. */
function keep(name, path, body, refusal) {
  if (name !== "status" && (store.data[name] !== body || store.missing[name]?.message !== refusal?.message)) drawn = null;
  if (store.told[name] !== path) drawn = null;
  store.data[name] = body;
  store.missing[name] = refusal;
  store.told[name] = refusal?.status === BUSY ? "" : path;
}

async function part(path, changed) {
  try {
    return { body: await answer(path, changed) };
  } catch (error) {
    if (error instanceof api.Refused && error.status !== 401) return { refusal: error };
    throw error;
  }
}

/** The cost follows the change: of a large fleet only the clusters that changed are asked for. */
async function answer(path, changed) {
  const isList = /^(clusters|sources|bundles|rollouts|drift)\b[^/]*$/.test(path);
  if (path !== CLUSTERS || changed === null || !store.data.clusters) return isList ? api.list(path) : api.get(path);
  if (!changed.length) return store.data.clusters;
  return (await api.renewed(store.data.clusters, changed)) ?? api.list(path);
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
  main.setAttribute("aria-busy", String(!isReady));
  if (isReady) show(main, chosen.render(store.place, store));
  drawn = isReady ? chosen : null;
  document.title = `${chosen.title(store.place)} · Flotilla`;
  const place = chosen.title(store.place);
  if (!isReady || place === shownPlace) return;
  const isFirst = shownPlace === "";
  shownPlace = place;
  if (chosen.focus) chosen.focus();
  else if (!isFirst) main.focus({ preventScroll: true });
  if (!isFirst) window.scrollTo(0, 0);
}

/** Ages grow; a view that shows none stays as it is. */
function tick() {
  if (document.hidden) return;
  if (drawn === view() && drawn.isAgeless?.(store)) frame.render();
  else render();
}

function moved() {
  store.place = placeOf(location.hash);
  store.notice = "";
  store.missing = {};
  store.told = {};
  render();
  live.soon(0);
}

function begin() {
  actions.listen({ moved, render });
  keys.listen();
  window.addEventListener("hashchange", moved);
  store.place = placeOf(location.hash);
  frame.render();
  live.begin(refresh);
  setInterval(tick, TICK_MS);
}

// Where it cannot run, another script has said so.
if (!("tooOld" in document.documentElement.dataset)) begin();

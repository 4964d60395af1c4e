// What a click or a key does. Listeners stand once on the document: what is drawn anew needs none of its own.

import * as api from "./api.js";
import * as dialog from "./dialog.js";
import * as frame from "./frame.js";
import { route } from "./links.js";
import * as live from "./live.js";
import { placeOf, store } from "./store.js";
import { moment } from "./times.js";

let around = { moved: () => {}, render: () => {} };

const ACTIONS = {
  approve: ({ set }) => decide(set, "approve"),
  reject: ({ set }) => decide(set, "reject"),
  rollout: ({ source, verb }) => steer(source, verb),
  "sign-out": leave,
  skip: () => document.getElementById("main").focus(),
  theme: frame.nextTheme,
};

/** Listen to clicks, forms and filters, everywhere. */
export function listen(surroundings) {
  around = surroundings;
  document.addEventListener("click", (clicked) => {
    const found = clicked.target.closest("[data-action]");
    const action = found && ACTIONS[found.dataset.action];
    if (!action || found.disabled) return;
    clicked.preventDefault();
    attempt(() => action(found.dataset));
  });
  document.addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    if (submitted.target.id === "sign-in") attempt(() => present(submitted.target));
    if (submitted.target.id === "moment") travel(submitted.target.elements);
  });
  document.addEventListener("input", ({ target }) => target.dataset.filter && filter(target));
}

/** A session begins, or (`null`) there is none. */
export function begin(session) {
  store.session = session;
  store.live = false;
  api.useCsrf(session?.csrf ?? "");
  if (session === null) {
    api.forget();
    store.data = {};
    live.unfollow();
  } else {
    live.follow((isOpen) => {
      store.live = isOpen;
      frame.render();
    });
  }
}

/** Sign in with a token or a code; what is refused is said. */
export async function signIn(proof) {
  try {
    begin(await api.signIn(proof));
    store.notice = "";
  } catch (error) {
    if (!(error instanceof api.Refused)) throw error;
    begin(null);
    store.notice = error.message;
  }
}

async function present(form) {
  const field = form.elements.namedItem("token");
  const token = field.value.trim();
  field.value = "";
  await signIn({ token });
  around.render();
  if (store.session === null) field.focus();
}

function travel({ cluster, at }) {
  const when = moment(at.value);
  if (when) location.hash = route(["at", when, ...(cluster.value ? [cluster.value.trim()] : [])]);
}

async function leave() {
  await api.signOut();
  begin(null);
  around.render();
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof api.Refused || error instanceof api.Silent)) throw error;
    store.notice = error.message;
  }
  around.render();
  live.soon(0);
}

async function decide(set, verb) {
  const found = await api.get(`deletions/${encodeURIComponent(set)}`);
  if (!(await dialog.confirmDeletions(found, verb))) return;
  // Exactly what was shown is decided about: had the set grown meanwhile, the hub would refuse this digest.
  await api.post(`deletions/${encodeURIComponent(set)}/${verb}`, { digest: found.deletions.digest });
  store.notice = "";
}

async function steer(source, verb) {
  if (!(await dialog.confirmRollout(source, verb))) return;
  await api.post(`rollouts/${encodeURIComponent(source)}/${verb}`);
  store.notice = "";
}

function filter(field) {
  const query = { ...store.place.query, [field.dataset.filter]: field.value };
  history.replaceState(null, "", route(store.place.path, query));
  store.place = placeOf(location.hash);
  around.render();
  live.news();
}

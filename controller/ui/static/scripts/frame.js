// What stands around every view: the way from one to the other, who is signed in, and whether the hub answers.

import { h, show, svg } from "./dom.js";
import { route } from "./links.js";
import { store } from "./store.js";
import * as times from "./times.js";

const PLACES = [
  ["", "Fleet"],
  ["bundles", "Bundles"],
  ["rollouts", "Rollouts"],
  ["deletions", "Deletions"],
  ["drift", "Drift"],
  ["events", "Events"],
  ["sources", "Sources"],
];
const THEMES = { system: "dark", dark: "light", light: "system" };

/** Draw it from the store. */
export function render() {
  document.body.classList.toggle("stale", store.connection === "silent");
  show(document.getElementById("top"), [brand(), store.session && places(), tools()]);
  show(document.getElementById("banner"), banner());
}

/** The theme after the present one. */
export function nextTheme() {
  const chosen = THEMES[theme()];
  if (chosen === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("flotilla.theme");
  } else {
    document.documentElement.dataset.theme = chosen;
    localStorage.setItem("flotilla.theme", chosen);
  }
  render();
}

function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

function brand() {
  const sails = svg("svg", { class: "sails", viewBox: "0 0 32 32", "aria-hidden": "true" });
  sails.append(svg("path", { d: "M4 21h24l-4 6H8z" }), svg("path", { d: "M15 3v15H5z" }), svg("path", { class: "light", d: "M17 7v11h9z" }));
  return h("a", { class: "brand", href: "#/" }, sails, "Flotilla");
}

function places() {
  const [here = ""] = store.place.path;
  const held = store.data.status?.deletions.heldSets ?? 0;
  return h(
    "nav",
    { "aria-label": "Views" },
    PLACES.map(([word, label]) =>
      h(
        "a",
        { href: route(word ? [word] : []), "aria-current": (here === "clusters" ? "" : here) === word ? "page" : null },
        label,
        word === "deletions" && held > 0 && h("span", { class: "count", title: "sets that wait for a person" }, String(held), h("span", { class: "hidden" }, " held")),
      ),
    ),
  );
}

function tools() {
  const { session } = store;
  return h(
    "div",
    { class: "tools" },
    session && h("span", { class: `connection ${store.connection}`, "data-live": String(store.live) }, connection()),
    h(
      "button",
      { type: "button", class: "quiet-button", "data-action": "theme", title: "Theme: system, dark, light", "aria-label": `Theme: ${theme()}; change it` },
      { system: "◐", dark: "☾", light: "☀" }[theme()],
    ),
    session && h("span", { class: "who", title: `signed in until ${times.clock(session.expiresAt)}` }, session.name, h("span", { class: "chip" }, session.scope)),
    session && h("button", { type: "button", class: "quiet-button", "data-action": "sign-out" }, "Sign out"),
  );
}

function connection() {
  if (store.connection === "silent") return "not connected";
  return store.data.status ? `${store.live ? "live" : "polling"} · as of ${times.clock(times.asOf())}` : "connecting";
}

function banner() {
  if (store.connection === "silent") {
    const known = store.data.status ? `What you see is as of ${times.clock(store.data.status.asOf)}.` : "There is nothing to show yet.";
    return [h("p", { class: "banner silent" }, h("strong", {}, "Not connected. "), `The hub has not answered since ${times.clock(store.silentSince)}. ${known} The clusters go on without it.`)];
  }
  const recovery = store.session && store.data.status?.recovery;
  return [
    recovery && h("p", { class: "banner held" }, h("strong", {}, "Recovery. "), `Nothing is published: ${recovery.reason}. `, h("code", {}, "flotilla hub recover"), " ends it."),
    store.notice && h("p", { class: "banner notice" }, store.notice),
  ];
}

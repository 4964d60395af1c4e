// The time machine: what a cluster should have held at an event, at a time, or when it got a commit; by whom and why.

import { h } from "../dom.js";
import { bundle, cluster, event, revision, route } from "../links.js";
import { badge, basis, empty, labels, section, table, texts, time } from "../parts.js";
import { clustersOf, sentence } from "../sentences.js";
import { clusterName, sourceUrl, store } from "../store.js";
import { clock } from "../times.js";
import { count, decisionState, short } from "../words.js";

const NAMES_MAX = 100; // clusters to choose from at once; the field takes every name

const isPlace = (when) => /^\d+$/.test(when);

/** The title of the page. */
export const title = ({ path: [, when = "", name] }) => `Desired state${name ? ` of ${name}` : ""} at ${said(when)}`;

/** What is asked of the hub. */
export function needs({ path: [, when = "", name] }) {
  return {
    clusters: "clusters?limit=1000",
    ...(name && { past: `clusters/${encodeURIComponent(name)}/past?at=${encodeURIComponent(when)}` }),
    ...(isPlace(when) && { one: `events?after=${Math.max(0, Number(when) - 1)}&limit=1` }),
  };
}

/** Is enough known to draw? */
export function isReady({ data, missing, told, place }) {
  const wanted = needs(place);
  const isThere = (name) => !(name in wanted) || ((data[name] || missing[name]) && told[name] === wanted[name]);
  return Boolean(data.clusters) && isThere("past") && isThere("one");
}

/** The view. */
export function render(place, { data, missing }) {
  const [, when = "", name] = place.path;
  const at = isPlace(when) ? data.one?.items.find((one) => String(one.sequence) === when) : null;
  return [
    h(
      "div",
      { class: "title", "data-key": "head" },
      h("p", { class: "crumbs" }, h("a", { href: "#/" }, "Fleet"), " ›", name && [" ", cluster(name), " ›"]),
      h("h1", {}, title(place)),
      at && h("p", { class: "reason" }, event(at.sequence), " ", sentence(at), h("span", { class: "quiet" }, ` · by ${at.by}`)),
      name && data.past && h("p", {}, basis(data.past.at, data.past.event), ` of ${data.past.head}, the last that counts`),
      name && data.past && steps(name, data.past),
    ),
    chooser(when, name),
    ...(name ? (data.past ? found(data.past) : [empty(missing.past.message, "flotilla events")]) : [choice(when, at)]),
  ];
}

function said(when) {
  if (isPlace(when)) return `event ${when}`;
  return /^\d{4}-/.test(when) && !Number.isNaN(Date.parse(when)) ? clock(when) : short(when);
}

function steps(name, past) {
  const step = (sequence, label) => h("a", { class: "button", href: route(["at", String(sequence), name]) }, label);
  return h(
    "div",
    { class: "buttons" },
    past.event > 1 && step(past.event - 1, "One event before"),
    past.event < past.head && step(past.event + 1, "One event after"),
    h("a", { class: "button", href: route(["clusters", name]) }, "As it is now"),
  );
}

function chooser(when, name = "") {
  return section(
    "Moment",
    { note: "an event’s number, a time, or a commit: then when the cluster first got it" },
    h(
      "form",
      { id: "moment", class: "filters", autocomplete: "off" },
      h("label", { class: "field" }, h("span", {}, "Cluster"), h("input", { name: "cluster", value: name, spellcheck: "false" })),
      h("label", { class: "field" }, h("span", {}, "At"), h("input", { name: "at", value: when, required: true, spellcheck: "false", placeholder: "42, 2026-11-05 12:00, 3f1c9a7" })),
      h("button", { type: "submit", class: "button" }, "Show"),
    ),
  );
}

function choice(when, at) {
  const concerned = (at ? clustersOf(at) : []).map(clusterName).filter(Boolean);
  const names = concerned.length ? concerned : store.data.clusters.items.map((one) => one.name);
  return section(
    "Of which cluster?",
    { note: concerned.length ? "those that the event names" : count(names.length, "cluster") },
    h("p", { class: "members" }, names.slice(0, NAMES_MAX).map((one) => h("span", { class: "member" }, h("a", { href: route(["at", when, one]) }, one)))),
    names.length > NAMES_MAX && h("p", { class: "quiet" }, `and ${names.length - NAMES_MAX} more: give the name above`),
  );
}

function found(past) {
  return [
    section("What it was given", { note: "by the log alone; what was observed then is not kept" }, past.given.length ? given(past.given) : h("p", { class: "quiet" }, "nothing yet")),
    past.decisions.length > 0 && section("Approvals", { note: "what persons said of deletions on this cluster until then" }, decisions(past.decisions)),
    section("Bundles", { note: count(past.bundles.length, "bundle") }, past.bundles.length ? bundles(past) : h("p", { class: "quiet" }, "none")),
    Object.keys(past.labels).length > 0 && section("Labels", { note: "as they were" }, labels(past.labels)),
  ];
}

function given(rows) {
  return table(
    "What it was given",
    ["Source", "Revision", "Since", "By", "Why", "Rollout", "Event"],
    rows.map(({ source, revision: text, rollout, origin }) => ({
      key: source,
      cells: [h("a", { href: route(["rollouts", source]) }, source), revision(text, sourceUrl(source)), time(origin.at), origin.by, origin.cause, rollout, event(origin.event)],
    })),
  );
}

function decisions(rows) {
  return table(
    "Approvals",
    ["Set", "Decision", "Revision", "When", "By", "Event"],
    rows.map((one) => ({
      key: String(one.origin.event),
      cells: [h("a", { href: route(["deletions", one.set]) }, one.set), badge(decisionState(one.decision), one.decision), revision(one.revision, sourceUrl(one.source)), time(one.origin.at), one.origin.by, event(one.origin.event)],
    })),
  );
}

function bundles({ bundles: rows, conflicts }) {
  return table(
    "Bundles",
    ["Bundle", "Objects", "Digest", "Note"],
    rows.map((one) => ({
      key: one.bundle,
      cells: [bundle(one.bundle), h("details", {}, h("summary", {}, count(one.objectCount, "object")), texts(one.objects.map((object) => object.object))), h("code", { title: one.digest }, short(one.digest)), conflicts[one.bundle] ?? one.conflict],
    })),
  );
}

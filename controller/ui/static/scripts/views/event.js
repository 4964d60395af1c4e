// One event of the log, whole.

import { h } from "../dom.js";
import { cluster, route, stateAt } from "../links.js";
import { empty, facts, section, time } from "../parts.js";
import { clustersOf, sentence, sourceOf } from "../sentences.js";
import { clusterName } from "../store.js";
import { commit } from "./events.js";

const NAMES_MAX = 100; // clusters that are named; the event as it was written has their accounts

/** The title of the page. */
export const title = ({ path }) => `Event ${path[1]}`;

/** What is asked of the hub. */
export function needs({ path }) {
  const sequence = Math.max(1, Number.parseInt(path[1], 10) || 1);
  return { clusters: "clusters?limit=1000", one: `events?after=${sequence - 1}&limit=1` };
}

/** Is enough known to draw? */
export const isReady = ({ data, place }) => Boolean(data.one && data.clusters && (!data.one.items.length || data.one.items[0].sequence >= Number(place.path[1])));

/** The view. */
export function render({ path }, { data }) {
  const found = data.one.items.find((one) => String(one.sequence) === path[1]);
  if (!found) return [h("h1", {}, title({ path })), empty(`The log has no event ${path[1]}; its newest is ${data.one.head}.`, "flotilla events")];
  const source = sourceOf(found);
  const names = clustersOf(found).map(clusterName).filter(Boolean);
  return [
    h("div", { class: "title" }, h("p", { class: "crumbs" }, h("a", { href: "#/events" }, "Events"), " ›"), h("h1", {}, `#${found.sequence} ${sentence(found)}`)),
    section(
      "Who, when and why",
      { tools: h("span", { class: "buttons" }, step(found.sequence - 1, "Before"), step(found.sequence + 1, "After")) },
      facts([
        ["What", found.type],
        ["When", time(found.at)],
        ["By", found.by],
        ["Cause", found.cause || "none named"],
        found.event.revision && ["Commit", commit(found)],
        source && ["Rollout", h("a", { href: route(["rollouts", source]) }, source)],
        found.event.set && ["Deletions", h("a", { href: route(["deletions", found.event.set]) }, found.event.set)],
        ["Desired state", stateAt(found.sequence, names.length === 1 ? names[0] : "")],
        names.length > 0 && ["Clusters", [names.slice(0, NAMES_MAX).map((name) => [cluster(name), " "]), names.length > NAMES_MAX && `and ${names.length - NAMES_MAX} more`]],
        ["Subject", h("code", {}, found.subject)],
        ["Id", h("code", {}, found.id)],
      ]),
    ),
    section("As it was written", {}, h("pre", { class: "json" }, h("code", {}, JSON.stringify(found.event, null, 2)))),
  ];
}

function step(sequence, label) {
  return sequence > 0 && h("a", { class: "button", href: route(["events", String(sequence)]) }, label);
}

// Deletion sets: what waits for a person, and what is on its way.

import { h } from "../dom.js";
import { event, revision, route } from "../links.js";
import { badge, empty, section, table } from "../parts.js";
import { sourceUrl } from "../store.js";
import { count, decisionState, short } from "../words.js";

/** The title of the page. */
export const title = () => "Deletions";

/** What is asked of the hub. */
export const needs = ({ query }) => ({ deletions: query.all ? "deletions?all=true" : "deletions" });

/** Is enough known to draw? */
export const isReady = ({ data }) => Boolean(data.deletions);

/** The view. */
export function render({ query }, { data }) {
  const rows = data.deletions.items;
  const held = rows.filter((one) => one.decision === "held");
  const other = rows.filter((one) => one.decision !== "held");
  const toggle = h("a", { class: "button", href: route(["deletions"], { all: query.all ? "" : "true" }) }, query.all ? "Only what is open" : "Also what is settled");
  return [
    h("h1", {}, "Deletions"),
    section(
      "Held",
      { note: "nothing of these is deleted until a person says so" },
      held.length ? setTable(held) : empty("Nothing waits for you. What a merge would delete is seen before it is merged:", "flotilla diff shop"),
    ),
    section("Decided or free", { id: "other", tools: toggle }, other.length ? setTable(other) : h("p", { class: "quiet" }, "none")),
  ];
}

function setTable(rows) {
  return table(
    "Deletion sets",
    ["Set", "Decision", "Revision", "Objects", "Still owed", "Why", "Event"],
    rows.map((one) => ({
      key: one.id,
      cells: [
        [h("a", { href: route(["deletions", one.id]) }, one.id), h("div", { class: "quiet" }, "digest ", h("code", {}, short(one.digest)))],
        badge(decisionState(one.decision), one.decision),
        [one.source, " ", revision(one.revision, sourceUrl(one.source))],
        `${one.objects} on ${count(one.clusters, "cluster")}`,
        one.undeleted ? `${one.open} (${one.undeleted} refused)` : String(one.open),
        one.held.join("; "),
        event(one.event),
      ],
    })),
  );
}

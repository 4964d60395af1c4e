// Drift in the whole fleet: what is not as Git says, where, and who did it.

import { h } from "../dom.js";
import { bundle, cluster, route } from "../links.js";
import { empty, section, table, time } from "../parts.js";
import { count } from "../words.js";
import { actor, change, fate, kind } from "./drift.js";

const SHOWN_MAX = 300; // rows; the filter finds the others

/** The title of the page. */
export const title = () => "Drift";

/** What is asked of the hub. */
export const needs = ({ query }) => ({ drifts: query.ended ? "drift?limit=1000&ended=true" : "drift?limit=1000" });

/** Is enough known to draw? */
export const isReady = ({ data }) => Boolean(data.drifts);

/** The view. */
export function render({ query }, { data }) {
  const rows = data.drifts.items.filter((one) => !query.q || contains(one, query.q.toLowerCase()));
  const toggle = h("a", { class: "button", href: route(["drift"], { ...query, ended: query.ended ? "" : "true" }) }, query.ended ? "Only what differs now" : "Also what is over");
  return [
    h("h1", {}, "Drift"),
    section(
      "Not as Git says",
      { id: "drift", note: count(rows.length, "object"), tools: toggle },
      h(
        "div",
        { class: "filters", role: "search" },
        h("label", { class: "field" }, h("span", {}, "Filter"), h("input", { type: "search", "data-filter": "q", value: query.q ?? "", placeholder: "cluster, object, who …  ( / )", autocomplete: "off" })),
      ),
      rows.length ? list(rows.slice(0, SHOWN_MAX)) : empty("Nothing drifts. Edit an object by hand, and see it here, with your name, until it is put right:", "kubectl scale deployment storefront -n shop --replicas 5"),
      rows.length > SHOWN_MAX && h("p", { class: "quiet" }, `and ${rows.length - SHOWN_MAX} more`),
    ),
  ];
}

function contains(one, wanted) {
  const said = one.fields.flatMap((field) => [field.field, field.manager ?? "", field.actual ?? ""]);
  return [one.cluster, one.bundle, one.object, ...said].some((text) => text.toLowerCase().includes(wanted));
}

function list(rows) {
  return table(
    "Drift in the fleet",
    ["Cluster", "Object", "What", "Who", "Noticed", "What is done"],
    rows.map((one) => ({
      key: `${one.cluster} ${one.object} ${one.since} ${one.ended ?? ""}`,
      cells: [
        cluster(one.cluster),
        [h("code", {}, one.object), h("div", {}, bundle(one.bundle))],
        [!one.ended && kind(one), one.fields.map(change)],
        one.fields.map((field) => h("div", {}, actor(field))),
        time(one.since),
        [fate(one), one.endedAt && h("div", {}, time(one.endedAt))],
      ],
    })),
  );
}

// All bundles: on how many clusters each should be, and on how many it is.

import { h } from "../dom.js";
import { bundle, event, revision, route } from "../links.js";
import { bar, empty, section, table } from "../parts.js";
import { sourceUrl } from "../store.js";
import { count } from "../words.js";

/** The title of the page. */
export const title = () => "Bundles";

/** What is asked of the hub. */
export const needs = () => ({ bundles: "bundles?limit=1000" });

/** Is enough known to draw? */
export const isReady = ({ data }) => Boolean(data.bundles);

/** The view. */
export function render(_place, { data }) {
  const rows = data.bundles.items;
  if (!rows.length) {
    return [h("h1", {}, "Bundles"), empty("A bundle is a directory of a source. Add a source, or see what a directory would come to:", "flotilla render apps/shop")];
  }
  return [
    h("h1", {}, "Bundles"),
    section(
      "By the latest commit of each source",
      { id: "bundles", note: count(rows.length, "bundle") },
      table(
        "Bundles",
        ["Bundle", "Revision", "Clusters", "Why", "Event"],
        rows.map((one) => ({
          key: one.id,
          cells: [
            [bundle(one.id), h("div", { class: "quiet" }, count(one.objects, "object"))],
            revision(one.revision, sourceUrl(one.source)),
            h("a", { class: "plain", href: route([], { bundle: one.id }), "aria-label": `${one.id}: show its clusters` }, progress(one)),
            one.reason,
            event(one.event),
          ],
        })),
      ),
    ),
  ];
}

/** How a bundle stands on its clusters, as one bar. */
export function progress(one) {
  const parts = [
    ["ready", one.ready, "ready"],
    ["progressing", one.progressing, "progressing"],
    ["degraded", one.failed, "failed"],
    ["outofsync", one.waiting, "waiting"],
    ["unknown", one.unknown, "unknown"],
  ];
  return bar(parts.map(([state, number, label]) => ({ state, count: number, label })), one.placed);
}

// The objects of one bundle on a cluster, each with its health and, where it is not well, the reason.

import { h } from "../dom.js";
import { badge, section, table } from "../parts.js";
import { told } from "../times.js";
import { count, healthState, syncState } from "../words.js";

const SHOWN_MAX = 200; // rows; those that are not well come first
const ORDER = ["Degraded", "Missing", "Progressing", "Unknown", "Suspended", "Healthy"];

/** The bundle whose objects are shown: the one that was chosen, else the first that is not well, else the first. */
export function chosen({ query }, cluster) {
  const rows = cluster?.bundles ?? [];
  const found = rows.find((one) => one.bundle === query.bundle) ?? rows.find((one) => one.health !== "Healthy" || one.sync !== "Synced");
  return (found ?? rows[0])?.bundle ?? "";
}

/** Where the hub tells them. */
export function path(cluster, bundle) {
  return `clusters/${encodeURIComponent(cluster)}/bundles/${bundle.split("/").map(encodeURIComponent).join("/")}/objects?limit=1000`;
}

/** The part of a cluster's page; nothing before the hub told them. */
export function objects(place, cluster, found) {
  const bundle = chosen(place, cluster);
  if (!bundle) return null;
  const options = cluster.bundles.map((one) => h("option", { value: one.bundle, selected: one.bundle === bundle }, one.bundle));
  const tools = h("label", { class: "field inline" }, h("span", {}, "of bundle"), h("select", { "data-filter": "bundle" }, options));
  const rows = [...(found?.items ?? [])].sort((one, other) => ORDER.indexOf(one.health) - ORDER.indexOf(other.health));
  return section(
    "Objects",
    { note: found ? count(found.total, "object") : "", tools },
    rows.length
      ? table(
          "Objects of the bundle",
          ["Object", "Sync", "Health", "Why", "File"],
          rows.slice(0, SHOWN_MAX).map((one) => ({
            key: one.object,
            cells: [h("code", {}, one.object), badge(syncState(one.sync), one.sync), badge(healthState(one.health), one.health), [one.reason, one.message && h("div", { class: "quiet" }, told(one.message))], h("code", { class: "quiet" }, one.file)],
          })),
        )
      : h("p", { class: "quiet" }, found ? "none" : "not told yet"),
    rows.length > SHOWN_MAX && h("p", { class: "quiet" }, `and ${rows.length - SHOWN_MAX} more`),
  );
}

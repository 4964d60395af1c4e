// Each source's newest rollout.

import { h } from "../dom.js";
import { event, revision, route } from "../links.js";
import { badge, bar, empty, section, table } from "../parts.js";
import { sourceUrl } from "../store.js";
import { phaseState } from "../words.js";

/** The title of the page. */
export const title = () => "Rollouts";

/** What is asked of the hub. */
export const needs = () => ({ rollouts: "rollouts?limit=1000" });

/** Is enough known to draw? */
export const isReady = ({ data }) => Boolean(data.rollouts);

/** The view. */
export function render(_place, { data }) {
  const rows = data.rollouts.items;
  if (!rows.length) return [h("h1", {}, "Rollouts"), empty("A rollout begins with the first commit of a source:", "flotilla source add shop https://git.example.com/shop.git --path 'apps/*' --all-clusters")];
  return [
    h("h1", {}, "Rollouts"),
    section(
      "The newest of each source",
      { id: "rollouts" },
      table(
        "Rollouts",
        ["Source", "Phase", "Revision", "Clusters", "Stage", "Why", "Event"],
        rows.map((one) => ({
          key: one.source,
          cells: [
            h("a", { href: route(["rollouts", one.source]) }, one.source),
            badge(phaseState(one.phase), one.phase),
            revision(one.revision, sourceUrl(one.source)),
            progress(one, one.clusters),
            one.stage ? `${one.stage} (${one.slotsUsed} of ${one.slots} slots)` : "done",
            one.reason,
            event(one.event),
          ],
        })),
      ),
    ),
  ];
}

/** How far a rollout, or one of its stages, is: one bar. */
export function progress(one, total) {
  const waiting = Math.max(0, total - one.succeeded - one.inFlight - one.failed - one.deferred);
  const parts = [
    ["ready", one.succeeded, "done"],
    ["progressing", one.inFlight, "in flight"],
    ["degraded", one.failed, "failed"],
    ["unknown", one.deferred, "deferred"],
    ["waiting", waiting, "waiting"],
  ];
  return bar(parts.map(([state, number, label]) => ({ state, count: number, label })), total);
}

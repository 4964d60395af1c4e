// One bundle, with its clusters: those that are not ready first.

import { h } from "../dom.js";
import { cluster, event, revision, route } from "../links.js";
import { badge, empty, facts, labels, section, table, texts, time } from "../parts.js";
import { sourceUrl } from "../store.js";
import { told } from "../times.js";
import { bundleState, count } from "../words.js";
import { progress } from "./bundles.js";

const SHOWN_MAX = 200; // rows; the grid shows them all

/** The title of the page. */
export const title = ({ path }) => path.slice(1).join("/");

/** What is asked of the hub. */
export function needs({ path }) {
  return { bundle: `bundles/${path.slice(1).join("/").split("/").map(encodeURIComponent).join("/")}` };
}

/** Is enough known to draw? */
export const isReady = ({ data, missing, place }) => Boolean(missing.bundle || data.bundle?.bundle.id === title(place));

/** The view. */
export function render(place, { data, missing }) {
  if (!data.bundle) return [h("h1", {}, title(place)), empty(missing.bundle.message, "flotilla bundle list")];
  const { bundle: one, clusters, errors, warnings, hooks } = data.bundle;
  return [
    h("div", { class: "title" }, h("p", { class: "crumbs" }, h("a", { href: "#/bundles" }, "Bundles"), " ›"), h("h1", {}, one.id), labels(data.bundle.labels)),
    errors.length > 0 && section("Errors", { note: "its clusters keep the last content without errors" }, texts(errors)),
    section("Standing", { tools: h("a", { class: "button", href: route([], { bundle: one.id }) }, "Show in the grid") }, progress(one), identity(one)),
    section("Clusters", { note: count(one.placed, "cluster") }, clusterTable(clusters)),
    warnings.length > 0 && section("Warnings", {}, texts(warnings)),
    hooks?.length > 0 && section("Hooks", {}, texts(hooks.map((hook) => `${hook.object}: ${hook.phases.join(", ")} (weight ${hook.weight}, ${hook.file})`))),
  ];
}

function identity(one) {
  return facts([
    ["Revision", revision(one.revision, sourceUrl(one.source))],
    ["Source", h("a", { href: route(["rollouts", one.source]) }, one.source)],
    ["Path", h("code", {}, one.path)],
    ["Objects", String(one.objects)],
    ["As of", [time(one.asOf), " · event ", event(one.event)]],
  ]);
}

function clusterTable(rows) {
  if (!rows.length) return empty("No cluster fits its targets. Which would, and why:", "flotilla targets .");
  const shown = rows.slice(0, SHOWN_MAX).map((one) => ({ key: one.cluster, cells: [cluster(one.cluster), badge(bundleState(one.state), one.state), told(one.reason), one.asOf ? time(one.asOf) : "never heard"] }));
  return [table("Clusters of this bundle", ["Cluster", "State", "Why", "As of"], shown), rows.length > SHOWN_MAX && h("p", { class: "quiet" }, `and ${rows.length - SHOWN_MAX} more`)];
}

// One cluster: what it should be, what it is, since when that is known, and why it is not the same.

import { h } from "../dom.js";
import { bundle, event, revision, route } from "../links.js";
import { badge, basis, empty, facts, labels, section, table, texts, time } from "../parts.js";
import { sourceUrl } from "../store.js";
import * as times from "../times.js";
import { STATES, clusterState, count, generation, healthState, hookState, short, syncState } from "../words.js";
import { drift } from "./drift.js";
import { chosen, objects, path as objectsPath } from "./objects.js";

/** The title of the page. */
export const title = ({ path }) => path[1];

/** What is asked of the hub. */
export function needs(place, { data }) {
  const name = place.path[1];
  const bundle = data.cluster?.cluster.name === name ? chosen(place, data.cluster) : "";
  const cluster = `clusters/${encodeURIComponent(name)}`;
  return { cluster, drift: `${cluster}/drift`, ...(bundle && { objects: objectsPath(name, bundle) }) };
}

/** Is enough known to draw? */
export const isReady = ({ data, missing, place }) => Boolean(missing.cluster || data.cluster?.cluster.name === place.path[1]);

/** The view. */
export function render(place, { data, missing }) {
  const { path } = place;
  if (!data.cluster) return [h("h1", {}, path[1]), empty(missing.cluster.message, "flotilla cluster list")];
  const detail = data.cluster;
  const { cluster } = detail;
  return [
    head(cluster, data.status?.event ?? cluster.event),
    section("Standing", {}, standing(detail)),
    drift(data.drift?.cluster === path[1] ? data.drift : null),
    section("Bundles", { note: count(detail.bundles.length, "bundle") }, bundleTable(detail.bundles)),
    objects(place, detail, data.objects),
    ...hooks(detail.hooks),
    ...leftovers(detail),
    section("What it is", {}, identity(detail)),
  ];
}

function head(cluster, newest) {
  const state = clusterState(cluster);
  return h(
    "div",
    { class: "title", "data-key": "head" },
    h("p", { class: "crumbs" }, h("a", { href: "#/" }, "Fleet"), " ›"),
    h("h1", {}, cluster.name, " ", badge(state)),
    h("p", { class: "reason brief", title: times.told(cluster.reason) || null }, times.told(cluster.reason) || STATES[state].says),
    labels(cluster.labels),
    h("p", {}, basis(cluster.asOf, cluster.event)),
    h("div", { class: "buttons" }, h("a", { class: "button", href: route(["events"], { about: `cluster/${cluster.name}` }) }, "Its events"), cluster.event > 0 && h("a", { class: "button", href: route(["at", String(newest), cluster.name]) }, "Its past")),
  );
}

function standing({ cluster, publishedAt }) {
  return facts([
    ["Generation", [h("strong", {}, generation(cluster)), lag(cluster)]],
    ["Last heard", cluster.asOf ? [times.ago(cluster.asOf), h("span", { class: "quiet" }, " at ", time(cluster.asOf))] : "never since this hub started"],
    ["Connection", cluster.connection],
    cluster.was && ["When last known", [badge(syncState(cluster.was.sync), cluster.was.sync), " ", badge(healthState(cluster.was.health), cluster.was.health)]],
    ["Sync", badge(syncState(cluster.sync), cluster.sync)],
    ["Health", badge(healthState(cluster.health), cluster.health)],
    ["Published", publishedAt ? time(publishedAt) : "nothing yet"],
    cluster.logHead > 0 && ["Rests on", [event(cluster.logHead), !cluster.logHeadKnown && " of a log that is not ours"]],
    ["Revisions", cluster.revisions.length ? cluster.revisions.map(published) : "none yet"],
    ["Deletions", deletionsOf(cluster)],
    cluster.refused > 0 && ["Refused", `${count(cluster.refused, "desired state")} not accepted by its agent`],
    cluster.suspended && ["Suspended", cluster.suspended],
  ]);
}

function lag({ lagGenerations, behindSince }) {
  if (!lagGenerations) return null;
  return ` · ${count(lagGenerations, "generation")} behind${behindSince ? `, for ${times.span(times.since(behindSince))}` : ""}`;
}

function published(text) {
  const [source, said] = text.split(" ");
  return h("div", {}, h("a", { href: route(["rollouts", source]) }, source), " ", revision(said, sourceUrl(source)));
}

function deletionsOf(cluster) {
  if (!cluster.heldDeletions && !cluster.pendingDeletions) return "none open";
  return [
    cluster.heldDeletions > 0 && h("a", { href: "#/deletions" }, `${cluster.heldDeletions} held`),
    cluster.heldDeletions > 0 && cluster.pendingDeletions > 0 && ", ",
    cluster.pendingDeletions > 0 && `${cluster.pendingDeletions} to carry out`,
  ];
}

function bundleTable(rows) {
  if (!rows.length) return empty("Nothing was published for this cluster yet. What it should have:", "flotilla bundle list");
  return table(
    "Bundles on this cluster",
    ["Bundle", "Sync", "Health", "Objects", "Why"],
    rows.map((one) => ({
      key: one.bundle,
      cells: [bundle(one.bundle), badge(syncState(one.sync), one.sync), badge(healthState(one.health), one.health), one.failed ? `${one.objects} (${one.failed} failed)` : String(one.objects), times.told(one.reason)],
    })),
  );
}

function* hooks(rows) {
  if (!rows.length) return;
  yield section("Hooks", { note: "of what each bundle's last change was here" }, table(
    "Hooks on this cluster",
    ["Hook", "Bundle", "Phase", "Progress", "Why"],
    rows.map((one) => ({
      key: `${one.bundle} ${one.phase} ${one.object}`,
      cells: [one.object, bundle(one.bundle), one.phase, badge(hookState(one.progress), one.progress), [one.reason, one.message].filter(Boolean).join(": ")],
    })),
  ));
}

function* leftovers(detail) {
  const parts = [
    ["Not deleted", detail.undeleted, "the agent refused these deletions, or could not do them"],
    ["Kept", detail.kept, "left Git, and cannot be judged yet"],
    ["Held", detail.held, "left Git, and stay until somebody approves their deletion"],
    ["Orphans", detail.orphans, "ours once, and now nobody's: kept until an operator names them"],
  ];
  for (const [name, lines, note] of parts) {
    if (lines.length) yield section(name, { note }, texts(lines));
  }
}

function identity({ cluster, uid, agentVersion, kubernetesVersion }) {
  return facts([
    ["Account", h("code", { title: cluster.id }, short(cluster.id, 20))],
    ["Cluster UID", uid ? h("code", {}, uid) : "not known yet"],
    ["Agent", agentVersion || "not heard yet"],
    ["Kubernetes", kubernetesVersion || cluster.kubernetesVersion || "not heard yet"],
    ["Managed by", cluster.managedBy],
    cluster.groups.length > 0 && ["Groups", cluster.groups.join(", ")],
    Object.keys(cluster.values).length > 0 && ["Values", labels(cluster.values)],
    Object.keys(cluster.annotations).length > 0 && ["Annotations", labels(cluster.annotations)],
    ["Inventory", count(cluster.objects, "object")],
  ]);
}

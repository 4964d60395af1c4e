// One deletion set with all that is in it, and the place where a person says yes or no.

import { h } from "../dom.js";
import { cluster, revision, route } from "../links.js";
import { badge, basis, button, empty, facts, section, table, texts } from "../parts.js";
import { mayOperate, sourceUrl } from "../store.js";
import { count, decisionState } from "../words.js";

const PRUNE = { all: " · what was adopted goes, too", owned: " · what was adopted is released, not deleted" };

/** The title of the page. */
export const title = ({ path }) => path[1];

/** What is asked of the hub. */
export const needs = ({ path }) => ({ deletion: `deletions/${encodeURIComponent(path[1])}` });

/** Is enough known to draw? */
export const isReady = ({ data, missing, place }) => Boolean(missing.deletion || data.deletion?.deletions.id === place.path[1]);

/** The view. */
export function render({ path }, { data, missing }) {
  if (!data.deletion) return [h("h1", {}, path[1]), empty(missing.deletion.message, "flotilla deletions list --all")];
  const { deletions: one, members, undeleted } = data.deletion;
  return [
    h(
      "div",
      { class: "title", "data-key": "head" },
      h("p", { class: "crumbs" }, h("a", { href: "#/deletions" }, "Deletions"), " ›"),
      h("h1", {}, one.id, " ", badge(decisionState(one.decision), one.decision)),
      one.held.length > 0 && h("p", { class: "reason" }, one.held.join("; ")),
      h("p", {}, basis(one.asOf, one.event)),
      one.decision === "held" && decision(one),
    ),
    section("What it is", {}, summary(one)),
    ...members.map((member, index) => memberSection(member, index)),
    undeleted.length > 0 &&
      section("Not deleted", { note: "an agent refused, or could not" }, table("Not deleted", ["Cluster", "Object", "Why"], undeleted.map((row) => ({ key: `${row.cluster} ${row.object}`, cells: [cluster(row.cluster), row.object, row.reason] })))),
  ];
}

function decision(one) {
  const given = { set: one.id, disabled: !mayOperate(), why: mayOperate() ? "" : "your token may only read" };
  return h(
    "div",
    { class: "buttons" },
    button(`Approve: delete ${count(one.objects, "object")}`, "approve", { kind: "danger", ...given }),
    button("Reject: keep them", "reject", given),
    !mayOperate() && h("span", { class: "quiet" }, "Your token may only read; an operator decides."),
  );
}

function summary(one) {
  return facts([
    ["Revision", [one.source, " ", revision(one.revision, sourceUrl(one.source))]],
    ["Objects", `${one.objects} on ${count(one.clusters, "cluster")}`],
    ["Still owed", one.undeleted ? `${one.open}, of which ${one.undeleted} were refused` : String(one.open)],
    ["Digest", h("code", { class: "digest" }, one.digest)],
  ]);
}

function memberSection(member, index) {
  const whole = member.wholeBundle ? "the whole bundle leaves" : `${count(member.objectCount, "object")}`;
  return section(
    member.bundle,
    { tools: h("a", { class: "button", href: route(["bundles", member.bundle]) }, "The bundle"), id: `member-${"abcdefghij"[index] ?? index}-${member.bundle}`, note: `${whole} · ${count(member.clusterCount, "cluster")}${PRUNE[member.prune] ?? ""}` },
    h("div", { class: "columns" }, h("div", {}, h("h3", {}, "Objects"), texts(member.objects, 15)), h("div", {}, h("h3", {}, "Clusters"), h("p", { class: "members" }, member.clusters.map((name) => h("span", { class: "member" }, cluster(name)))))),
  );
}

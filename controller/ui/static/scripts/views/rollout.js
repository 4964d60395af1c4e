// One source's rollout as it runs: its stages in order, who is in flight, who failed, who waits and why.

import { h } from "../dom.js";
import { cluster, event, revision, route } from "../links.js";
import { badge, bar, basis, button, empty, section, table, time } from "../parts.js";
import { mayOperate, sourceUrl } from "../store.js";
import * as times from "../times.js";
import { count, healthState, phaseState } from "../words.js";
import { progress } from "./rollouts.js";

const NAMES_MAX = 40; // names of a stage that are seen; the bar counts them all

const VERBS = { running: ["pause", "abort"], paused: ["resume", "abort"], halted: ["retry", "abort"] };

/** The title of the page. */
export const title = ({ path }) => `Rollout of ${path[1]}`;

/** What is asked of the hub. */
export function needs({ path }) {
  const source = encodeURIComponent(path[1]);
  return { rollout: `rollouts/${source}`, history: `rollouts/${source}/history` };
}

/** Is enough known to draw? */
export const isReady = ({ data, missing, place }) => Boolean(missing.rollout || data.rollout?.rollout.source === place.path[1]);

/** The view. */
export function render({ path }, { data, missing }) {
  if (!data.rollout) return [h("h1", {}, title({ path })), empty(missing.rollout.message, `flotilla source show ${path[1]}`)];
  const { rollout: one, stages, health, worst } = data.rollout;
  return [
    h(
      "div",
      { class: "title", "data-key": "head" },
      h("p", { class: "crumbs" }, h("a", { href: "#/rollouts" }, "Rollouts"), " ›"),
      h("h1", {}, title({ path }), " ", badge(phaseState(one.phase), one.phase)),
      h("p", { class: "reason" }, revision(one.revision, sourceUrl(one.source)), one.reason && ` · ${one.reason}`),
      h("p", { class: "basis" }, basis(one.asOf, one.event), ` · ${one.id}`),
      h("div", { class: "buttons" }, (VERBS[one.phase] ?? []).map((verb) => steer(one.source, verb)), VERBS[one.phase] && !mayOperate() && h("span", { class: "quiet" }, "Your token may only read; an operator steers."), h("a", { class: "button", href: route(["events"], { about: `rollout/${one.source}` }) }, "Its events")),
    ),
    section("Progress", { id: "progress", note: count(one.clusters, "cluster") }, progress(one, one.clusters)),
    section("Stages", { note: data.rollout.canary ? `first: ${data.rollout.canary}` : "" }, h("ol", { class: "stages" }, stages.map((stage) => stageItem(stage, data.rollout)))),
    section("Health now", { note: "each cluster by the worst of the source's bundles" }, wellbeing(health), worst.length > 0 && ailing(worst)),
    ...lists(data.rollout),
    section("History", {}, past(data.history?.items ?? [], sourceUrl(one.source))),
  ];
}

function wellbeing({ healthy, progressing, degraded, unknown, without }) {
  const parts = [
    { state: "ready", count: healthy, label: "healthy" },
    { state: "progressing", count: progressing, label: "progressing" },
    { state: "degraded", count: degraded, label: "degraded" },
    { state: "unknown", count: unknown, label: "unknown" },
    { state: "waiting", count: without, label: "without it yet" },
  ];
  return bar(parts, healthy + progressing + degraded + unknown + without);
}

function ailing(rows) {
  return table("Clusters that are not well", ["Cluster", "Health", "Why", "As of"], rows.map((one) => ({ key: one.cluster, cells: [cluster(one.cluster), badge(healthState(one.health), one.health), times.told(one.reason), one.asOf ? time(one.asOf) : "never heard"] })));
}

function steer(source, verb) {
  const label = verb[0].toUpperCase() + verb.slice(1);
  return button(label, "rollout", { source, verb, disabled: !mayOperate(), why: mayOperate() ? "" : "your token may only read" });
}

function stageItem(stage, { inFlight, failed, deferred }) {
  const flying = new Set(inFlight.map((one) => one.cluster));
  const broken = new Set(failed.map((one) => one.cluster));
  const away = new Set(deferred);
  const stateOf = (name) => (broken.has(name) ? "degraded" : flying.has(name) ? "progressing" : away.has(name) ? "unknown" : stage.state === "completed" ? "ready" : "");
  const names = stage.clusters.slice(0, NAMES_MAX);
  return h(
    "li",
    { class: "stage", "data-state": stage.state, "data-key": stage.name, "aria-current": stage.state === "started" ? "step" : null },
    h("h3", {}, stage.name, " ", badge(phaseState(stage.state), stage.state)),
    h("p", { class: "quiet" }, `${stage.reason}${stage.reason ? " · " : ""}at most ${stage.maxConcurrency} at a time`),
    progress(stage, stage.total),
    h(
      "p",
      { class: "members" },
      names.map((name) => h("span", { class: `member ${stateOf(name)}` }, cluster(name))),
      stage.total > names.length && h("span", { class: "quiet" }, `and ${stage.total - names.length} more`),
    ),
  );
}

function* lists({ inFlight, failed, deferred, joined, progressDeadlineS, maxFailures }) {
  if (failed.length) {
    const rows = failed.map((one) => ({ key: one.cluster, cells: [cluster(one.cluster), one.reason] }));
    yield section("Failed", { note: `${failed.length}; the rollout halts beyond ${maxFailures}` }, table("Failed clusters", ["Cluster", "Why"], rows));
  }
  if (inFlight.length) {
    const rows = inFlight.map((one) => ({ key: one.cluster, cells: [cluster(one.cluster), [time(one.since), ` · ${times.ago(one.since)}`], one.inherited ? "left in flight by the rollout before" : ""] }));
    yield section("In flight", { note: `failed after ${times.span(progressDeadlineS)} without success` }, table("Clusters in flight", ["Cluster", "Since", "Note"], rows));
  }
  if (deferred.length) yield section("Deferred", { note: "offline when their turn came; they get it when they are heard" }, named(deferred));
  if (joined.length) yield section("Joined", { note: "new while it was on its way" }, named(joined));
}

function named(names) {
  return h("p", { class: "members" }, names.map((name) => h("span", { class: "member" }, cluster(name))));
}

function past(rows, url) {
  if (!rows.length) return h("p", { class: "quiet" }, "none yet");
  return table(
    "Earlier rollouts",
    ["Revision", "Phase", "Done", "Failed", "Rollout"],
    rows.map((one) => ({ key: one.id, cells: [revision(one.revision, url), badge(phaseState(one.phase), one.phase), String(one.succeeded), String(one.failed), one.event ? event(one.event) : h("code", {}, one.id)] })),
  );
}

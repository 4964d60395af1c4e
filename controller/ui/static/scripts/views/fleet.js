// The fleet as a grid: every cluster a cell, compact enough for thousands.

import { draft, h } from "../dom.js";
import * as filters from "../filters.js";
import { event, route } from "../links.js";
import { badge, empty, section, shape } from "../parts.js";
import * as times from "../times.js";
import { STATES, bundleState, clusterState, count, generation, gist } from "../words.js";

/** Up to so many cells carry name and generation; and in a fleet of so many, the age of what was heard. */
export const NAMED_MAX = 60;

const SHORT_MAX = 160; // up to so many carry their name; beyond, a shape and a letter
const URGENT_MAX = 6; // lines of what needs a person that are seen at once
const SILENT_MAX = 3; // silent clusters, or drifts, that are named one by one

/** The title of the page. */
export const title = () => "Fleet";

/** What is asked of the hub. */
export function needs({ query }) {
  const found = { clusters: "clusters?limit=1000", bundles: "bundles?limit=1000", rollouts: "rollouts?limit=1000", deletions: "deletions", drifts: "drift?limit=1000" };
  if (query.bundle) found.bundle = `bundles/${query.bundle.split("/").map(encodeURIComponent).join("/")}`;
  return found;
}

/** Is enough known to draw? */
export const isReady = ({ data }) => Boolean(data.status && data.clusters);

/** Does nothing here change by mere waiting? */
export const isAgeless = ({ data }) => data.clusters.items.length > NAMED_MAX;

/** The view. */
export function render({ query }, { data, missing }) {
  const rows = data.clusters.items;
  if (!rows.length) return [h("h1", {}, "Fleet"), beginning()];
  const { shown, problem } = filtered(rows, query, data, missing);
  return [
    h("h1", { class: "hidden" }, "Fleet"),
    tiles(rows, query),
    urgent(data),
    section(
      "Clusters",
      { id: "clusters", note: `${shown.length === rows.length ? count(rows.length, "cluster") : `${shown.length} of ${count(rows.length, "cluster")}`}` },
      bar(query, data, rows, problem),
      shown.length ? grid(shown, query.group, rows.length <= NAMED_MAX) : nothing(problem),
    ),
  ];
}

function beginning() {
  return section(
    "No clusters yet",
    {},
    empty("A cluster joins with one command; it prints what to run there:", "flotilla cluster add prod-1 --label env=prod"),
    empty("Then say what it runs:", "flotilla source add shop https://git.example.com/shop.git --path 'apps/*' --all-clusters"),
  );
}

function filtered(rows, query, data, missing) {
  let tests = [];
  let problem = "";
  try {
    tests = filters.selector(query.selector ?? "");
  } catch (error) {
    problem = error.message;
  }
  const looked = data.bundle?.bundle.id === query.bundle ? data.bundle : null;
  const carrying = query.bundle && new Map((looked?.clusters ?? []).map((one) => [one.cluster, one]));
  if (query.bundle && missing.bundle) problem = missing.bundle.message;
  const shown = rows
    .map((row) => cell(row, carrying?.get(row.name)))
    .filter(({ row, state }) => tests.every((test) => test(row.labels)) && (!query.state || query.state === state))
    .filter(({ row }) => (!carrying || carrying.has(row.name)) && (!query.q || filters.contains(row, query.q)));
  return { shown, problem };
}

/** A cluster as the grid shows it: by its own state, or by that of the bundle that is looked at. */
function cell(row, onCluster) {
  const state = onCluster ? bundleState(onCluster.state) : clusterState(row);
  return { row, state, word: onCluster ? onCluster.state : STATES[state].label, reason: times.told(onCluster ? onCluster.reason : row.reason) };
}

function tiles(rows, query) {
  const counts = Map.groupBy(rows, clusterState);
  const tile = (state, number, label, picture) =>
    h(
      "a",
      { class: `tile ${number ? "" : "none"}`, href: route([], { ...query, state }), "aria-current": (query.state ?? "") === state ? "true" : null, title: state ? STATES[state].says : "all clusters" },
      h("span", { class: "number" }, picture, number.toLocaleString("en")),
      h("span", {}, label),
    );
  return h(
    "nav",
    { class: "tiles", "aria-label": "Clusters by state", "data-key": "tiles" },
    tile("", rows.length, "Clusters", null),
    Object.entries(STATES).map(([state, { label }]) => tile(state, counts.get(state)?.length ?? 0, label, shape(state))),
  );
}

function urgent(data) {
  const lines = [...urgentLines(data)];
  if (!lines.length) return null;
  const row = ({ key, state, word, content, sequence }) => h("li", { "data-key": key }, badge(state, word), h("span", { class: "what" }, content), event(sequence));
  const rest = lines.slice(URGENT_MAX);
  return section(
    "Needs a person",
    { id: "urgent", note: count(lines.length, "thing") },
    h("ul", { class: "urgent" }, lines.slice(0, URGENT_MAX).map(row)),
    rest.length > 0 && h("details", {}, h("summary", {}, `${rest.length} more`), h("ul", { class: "urgent" }, rest.map(row))),
  );
}

function* urgentLines({ deletions, rollouts, sources, clusters, drifts }) {
  for (const one of deletions?.items ?? []) {
    if (one.decision !== "held") continue;
    const content = [h("a", { href: route(["deletions", one.id]) }, `${count(one.objects, "deletion")} of ${one.source}`), ` on ${count(one.clusters, "cluster")}: ${one.held.join("; ")}`];
    yield { key: `d-${one.id}`, state: "outofsync", word: "Held", content, sequence: one.event };
  }
  for (const one of rollouts?.items ?? []) {
    if (one.phase !== "halted") continue;
    yield { key: `r-${one.source}`, state: "degraded", word: "Halted", content: [h("a", { href: route(["rollouts", one.source]) }, `rollout of ${one.source}`), `: ${one.reason}`], sequence: one.event };
  }
  for (const one of sources?.items ?? []) {
    if (!["Failing", "Degraded", "Waiting"].includes(one.state)) continue;
    yield { key: `s-${one.name}`, state: "degraded", word: one.state, content: [h("a", { href: route(["sources"]) }, `source ${one.name}`), `: ${one.reason}`], sequence: one.event };
  }
  yield* driftLines((drifts?.items ?? []).filter((one) => one.fighting || one.policy === "alert"));
  yield* silentLines(clusters.items.filter((row) => row.was));
  for (const row of clusters.items) {
    if (clusterState(row) !== "degraded" && !row.refused) continue;
    const why = row.refused ? `its agent refused ${count(row.refused, "desired state")}` : row.reason;
    yield { key: `c-${row.name}`, state: "degraded", word: row.refused ? "Refused" : row.health, content: [h("a", { href: route(["clusters", row.name]) }, row.name), `: ${times.told(why)}`], sequence: row.event };
  }
}

/** What nobody will put right, or what somebody undoes again and again. */
function* driftLines(rows) {
  if (rows.length > SILENT_MAX) {
    yield { key: "drift", state: "outofsync", word: "Drift", content: h("a", { href: "#/drift" }, `${count(rows.length, "object")} not as Git says, and left as they are`) };
    return;
  }
  for (const one of rows) {
    const hands = [...new Set(one.fields.map((field) => field.manager).filter(Boolean))].join(", ");
    const content = [h("a", { href: route(["clusters", one.cluster]) }, one.cluster), `: ${one.object}${hands ? ` by ${hands}` : ""}${one.fighting ? ", again and again" : ""}`];
    yield { key: `f-${one.cluster}-${one.object}`, state: one.fighting ? "degraded" : "outofsync", word: one.fighting ? "Fought over" : "Drift", content };
  }
}

function* silentLines(rows) {
  if (rows.length > SILENT_MAX) {
    yield { key: "silent", state: "unknown", word: "Silent", content: h("a", { href: route([], { state: "unknown" }) }, `${count(rows.length, "cluster")} fell silent`) };
    return;
  }
  for (const row of rows) {
    yield { key: `u-${row.name}`, state: "unknown", word: "Silent", content: [h("a", { href: route(["clusters", row.name]) }, row.name), `: ${times.told(row.reason)}`], sequence: row.event };
  }
}

function bar(query, data, rows, problem) {
  const field = (name, label, attributes) => h("label", { class: "field" }, h("span", {}, label), h("input", { type: "search", "data-filter": name, value: query[name] ?? "", autocomplete: "off", spellcheck: "false", ...attributes }));
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].sort();
  const any = Object.values(query).some(Boolean);
  return h(
    "div",
    { class: "filters", role: "search", "aria-label": "Filter clusters", "data-key": "filters" },
    field("q", "Filter", { placeholder: "name, label, reason …  ( / )", "aria-keyshortcuts": "/" }),
    field("selector", "Labels", { placeholder: "env in (dev, prod), team", "aria-invalid": problem ? "true" : null, "aria-describedby": problem ? "filter-problem" : null }),
    select("state", "State", query.state, [["", "any"], ...Object.entries(STATES).map(([state, { label }]) => [state, label])]),
    select("bundle", "Bundle", query.bundle, [["", "any"], ...(data.bundles?.items ?? []).map((one) => [one.id, one.id])]),
    select("group", "Group by", query.group, [["", "nothing"], ...keys.map((key) => [key, key])]),
    any && h("a", { class: "button", href: "#/" }, "Clear"),
    problem && h("p", { class: "problem", id: "filter-problem", role: "alert" }, problem),
  );
}

function select(name, label, chosen, options) {
  return h(
    "label",
    { class: "field" },
    h("span", {}, label),
    h("select", { "data-filter": name }, options.map(([value, text]) => h("option", { value, selected: value === (chosen ?? "") }, text))),
  );
}

function nothing(problem) {
  return problem ? null : h("div", { class: "empty" }, h("p", {}, "No cluster fits this filter. "), h("p", {}, h("a", { href: "#/" }, "Show all clusters")));
}

function grid(shown, key, hasAges) {
  const density = shown.length <= NAMED_MAX ? "named" : shown.length <= SHORT_MAX ? "short" : "dense";
  const groups = key ? [...Map.groupBy(shown, ({ row }) => row.labels[key] ?? "")].sort(([one], [other]) => one.localeCompare(other)) : [["", shown]];
  let first = true;
  return h(
    "div",
    { class: `grid ${density}`, "data-grid": true, "data-key": "grid" },
    groups.map(([value, members]) =>
      h(
        "div",
        { class: "group", role: "group", "aria-label": key ? `${key}=${value || "none"}` : "clusters", "data-key": `g-${value}` },
        key && h("h3", {}, value ? `${key}=${value}` : `no ${key}`, h("span", { class: "quiet" }, ` ${members.length}`)),
        h(
          "ul",
          { class: "cells" },
          members.map((one) => {
            const item = cellItem(one, density, { hasAges, isFirst: first });
            first = false;
            return item;
          }),
        ),
      ),
    ),
  );
}

function cellItem(one, density, { hasAges, isFirst }) {
  const { row, state, word, reason } = one;
  const heard = !hasAges ? "" : row.asOf ? `heard ${times.ago(row.asOf)}` : "never heard";
  const stamp = [state, word, reason, generation(row), row.heldDeletions, heard, density, isFirst].join("\n");
  return draft("li", row.name, stamp, () => cellLink(one, density, { heard, isFirst }));
}

function cellLink({ row, state, word, reason }, density, { heard, isFirst }) {
  const said = [`${row.name}: ${word}${reason ? `, ${reason}` : ""}`, `generation ${generation(row)}`, heard].filter(Boolean).join("; ");
  return h(
    "a",
    { class: `cell ${state}`, href: route(["clusters", row.name]), title: said, "aria-label": said, tabindex: isFirst ? "0" : "-1" },
    shape(state),
    h("span", { class: "letter" }, STATES[state].letter),
    density !== "dense" && h("span", { class: "name" }, row.name),
    density === "named" && h("span", { class: "generation" }, `${row.generation}/${row.desiredGeneration}`),
    density === "named" && h("span", { class: "why" }, gist(reason) || heard || STATES[state].says),
    row.heldDeletions > 0 && h("span", { class: "flag", title: `${row.heldDeletions} deletions are held` }, "H"),
  );
}

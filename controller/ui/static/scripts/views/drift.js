// Drift of one cluster: which field of which object is not as Git says, and whose hand it was; and what is over.

import { h } from "../dom.js";
import { bundle } from "../links.js";
import { badge, section, table, time } from "../parts.js";
import * as times from "../times.js";
import { count } from "../words.js";

const OVER_MAX = 10; // drifts that are over and still shown

const POLICIES = { revert: "is put right", alert: "is told, and left as it is", off: "is not looked for" };
const MEANS = {
  reverted: "put right",
  accepted: "Git says the same now",
  ignored: "does not count any more",
  gone: "nothing differs any more",
};

/** The part of a cluster's page; nothing where nothing drifted lately. */
export function drift(found) {
  if (!found || (!found.open.length && !found.ended.length)) return null;
  const { open, ended, leftOut } = found;
  const note = open.length ? `${count(open.length + leftOut, "object")} not as Git says` : "nothing at present";
  return section(
    "Drift",
    { note },
    open.length > 0 && h("ul", { class: "drifts" }, open.map(openItem)),
    leftOut > 0 && h("p", { class: "quiet" }, `and ${leftOut} more that the agent does not name`),
    ended.length > 0 && over(ended),
  );
}

/** What kind of drift it is, in a badge. */
export function kind(one) {
  if (one.fighting) return badge("degraded", "Fought over");
  return badge("outofsync", one.kind === "changed" ? "Drifted" : one.kind === "gone" ? "Gone" : "Replaced");
}

/** What is done about it, or how it ended. */
export function fate(one) {
  return one.ended ? (MEANS[one.ended] ?? one.ended) : (POLICIES[one.policy] ?? one.policy);
}

function openItem(one) {
  return h(
    "li",
    { "data-key": one.object, class: "drift" },
    h(
      "p",
      {},
      kind(one),
      " ",
      h("code", {}, one.object),
      " of ",
      bundle(one.bundle),
      h("span", { class: "quiet" }, ` · noticed ${times.ago(one.since)} · ${fate(one)}`),
    ),
    one.fighting && h("p", { class: "problem" }, `${one.fighting.manager} undoes ${one.fighting.field} again and again: put right ${count(one.fighting.count, "time")}, and now more slowly`),
    one.fields.length > 0 &&
      table(
        `Fields of ${one.object}`,
        ["Field", "Expected", "Actual", "Who", "When"],
        one.fields.map((field) => ({ key: field.field, cells: [h("code", {}, field.field), value(field.expected), value(field.actual), actor(field), field.time ? time(field.time) : ""] })),
      ),
    one.fieldsLeftOut > 0 && h("p", { class: "quiet" }, `and ${count(one.fieldsLeftOut, "more field", "more fields")}`),
  );
}

function over(ended) {
  const rows = ended.slice(0, OVER_MAX).map((one) => ({
    key: `${one.object} ${one.since}`,
    cells: [h("code", {}, one.object), one.fields.map(change), one.fields.map((field) => h("div", {}, actor(field))), fate(one), time(one.endedAt)],
  }));
  return [h("h3", {}, "Over"), table("Drifts that are over", ["Object", "What", "Who", "How it ended", "When"], rows)];
}

/** One field: what it was made to be, and what Git says. */
export function change(field) {
  if (field.passed) return h("div", {}, h("code", {}, field.field), " was changed, and is as in Git again");
  return h("div", {}, h("code", {}, field.field), " ", value(field.actual), " instead of ", value(field.expected));
}

function value(text) {
  return text ? h("code", { class: "value" }, text) : h("span", { class: "quiet" }, "not there");
}

/** Who holds a field now, as Kubernetes records it; where nobody does, who wrote to the object last. */
export function actor({ manager, operation, subresource, lastWriter }) {
  if (!manager) return h("span", { class: "quiet" }, lastWriter ? `nobody holds it now; ${lastWriter} wrote to the object last` : "nobody holds it now");
  const how = [operation, subresource && `through ${subresource}`].filter(Boolean).join(", ");
  return [h("strong", {}, manager), how && h("span", { class: "quiet" }, ` (${how})`)];
}

// The pieces that views are made of.

import { h, svg } from "./dom.js";
import { event } from "./links.js";
import { ago, clock } from "./times.js";
import { STATES } from "./words.js";

const SHAPES = {
  ready: () => [svg("circle", { cx: 8, cy: 8, r: 7 }), svg("path", { class: "mark", d: "M4.8 8.4l2.2 2.2 4.2-4.6" })],
  progressing: () => [
    svg("circle", { class: "ring", cx: 8, cy: 8, r: 6 }),
    svg("path", { d: "M8 3.5a4.5 4.5 0 0 1 0 9z" }),
  ],
  outofsync: () => [svg("path", { d: "M8 .6 15.4 8 8 15.4.6 8z" }), svg("path", { class: "mark", d: "M5.2 6.6h5.6M5.2 9.4h5.6" })],
  degraded: () => [svg("path", { d: "M8 .8 15.6 14.6H.4z" }), svg("path", { class: "mark", d: "M8 5.6v4.2M8 11.7v.9" })],
  unknown: () => [
    svg("circle", { class: "ring dashed", cx: 8, cy: 8, r: 6.6 }),
    svg("path", { class: "stroke", d: "M6.2 6.4c0-2.4 3.6-2.4 3.6 0 0 1.3-1.8 1.3-1.8 2.8M8 11.2v.8" }),
  ],
  waiting: () => [svg("circle", { class: "ring", cx: 8, cy: 8, r: 6 })],
  suspended: () => [svg("rect", { x: 1, y: 1, width: 14, height: 14, rx: 2 }), svg("path", { class: "mark", d: "M6 5v6M10 5v6" })],
};

/** The shape of a state. It is decoration: the word or the letter beside it says the same. */
export function shape(state) {
  return svg("svg", { class: `shape ${state}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, SHAPES[state]());
}

/** A word for a state, with its shape. */
export function badge(state, word = STATES[state].label) {
  return h("span", { class: `badge ${state}` }, shape(state), h("span", {}, word));
}

/** A titled part of a view. */
export function section(title, { note = "", id = "", tools = null } = {}, ...content) {
  const key = id || title;
  const heading = `section-${key.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h(
    "section",
    { class: "panel", "aria-labelledby": heading, "data-key": key },
    h("div", { class: "panel-head" }, h("h2", { id: heading }, title), note && h("span", { class: "quiet" }, note), tools),
    content,
  );
}

/** What stands where there is nothing yet: a sentence, and the command that changes it. */
export function empty(says, command = "") {
  return h("div", { class: "empty" }, h("p", {}, says), command && h("pre", {}, h("code", {}, command)));
}

/** A table; `columns` are titles, `rows` lists of cells with a `key` each. In a narrow window a row is drawn as a card, each
 * cell under its column's title; the roles say that it is a table still. */
export function table(caption, columns, rows) {
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { role: "table" },
      h("caption", { class: "hidden" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((one) => h("th", { scope: "col", role: "columnheader" }, one)))),
      h(
        "tbody",
        { role: "rowgroup" },
        rows.map(({ key, cells }) => h("tr", { role: "row", "data-key": key }, cells.map((cell, place) => h("td", { role: "cell", "data-column": columns[place] }, cell)))),
      ),
    ),
  );
}

/** Facts, each with its name. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** As of when a state holds, and the event it rests on. */
export function basis(asOf, sequence) {
  return h("span", { class: "basis" }, asOf ? ["as of ", time(asOf)] : "never heard", sequence ? [" · event ", event(sequence)] : null);
}

/** A time of day, with the age beside it for who points at it. */
export function time(at) {
  return h("time", { datetime: at, title: ago(at) }, clock(at));
}

/** Labels as chips. */
export function labels(given) {
  return h("span", { class: "chips" }, Object.entries(given).map(([key, value]) => h("span", { class: "chip" }, `${key}=${value}`)));
}

/** A list of texts, of which the first few are seen at once. */
export function texts(lines, shown = 8) {
  const line = (text) => h("li", {}, text);
  const rest = lines.slice(shown);
  return [
    h("ul", { class: "lines" }, lines.slice(0, shown).map(line)),
    rest.length > 0 && h("details", {}, h("summary", {}, `${rest.length} more`), h("ul", { class: "lines" }, rest.map(line))),
  ];
}

/** A button that does something named in `actions.js`. */
export function button(label, action, { kind = "", disabled = false, why = "", ...given } = {}) {
  const data = Object.fromEntries(Object.entries(given).map(([name, value]) => [`data-${name}`, value]));
  return h("button", { type: "button", class: `button ${kind}`, "data-action": action, disabled, title: why || null, ...data }, label);
}

/** How much of a whole is what: one bar, the parts named below it. */
export function bar(parts, total) {
  const there = parts.filter((one) => one.count > 0);
  const words = there.map((one) => `${one.count} ${one.label}`).join(", ") || "none";
  let left = 0;
  const pieces = there.map((one) => {
    const width = (100 * one.count) / Math.max(total, 1);
    const piece = svg("rect", { class: `fill ${one.state}`, x: left, y: 0, width, height: 10 });
    left += width;
    return piece;
  });
  return h(
    "div",
    { class: "progress" },
    svg("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": words }, pieces),
    h("ul", { class: "key" }, there.map((one) => h("li", {}, shape(one.state), `${one.count} ${one.label}`))),
  );
}

// The log: what was decided, when, by whom and why. The newest first.

import { h } from "../dom.js";
import * as links from "../links.js";
import { empty, section, time } from "../parts.js";
import { clustersOf, sentence, sourceOf } from "../sentences.js";
import { clusterName, sourceUrl } from "../store.js";
import { digestsCut } from "../words.js";

const PAGE = 100;
const LOOK_BACK = 5000; // events among which those about one thing are sought
const FOUND_MAX = 1000;

/** The title of the page. */
export const title = () => "Events";

/** What is asked of the hub. */
export function needs({ query }, { data }) {
  const head = data.status?.event ?? 0;
  if (query.about) {
    const about = encodeURIComponent(query.about);
    return { clusters: "clusters?limit=1000", events: `events?about=${about}&after=${Math.max(0, head - LOOK_BACK)}&limit=${FOUND_MAX}` };
  }
  const last = Number(query.before) > 1 ? Number(query.before) - 1 : head;
  return { clusters: "clusters?limit=1000", events: `events?after=${Math.max(0, last - PAGE)}&limit=${PAGE}` };
}

/** Is enough known to draw? */
export const isReady = ({ data, missing }) => Boolean((data.events || missing.events) && data.clusters);

/** The view. */
export function render({ query }, { data, missing }) {
  if (!data.events) return [h("h1", {}, "Events"), empty(missing.events.message, "flotilla events")];
  const before = Number(query.before) || Infinity;
  const found = data.events.items.filter((one) => one.sequence < before).reverse();
  const shown = query.q ? found.filter((one) => matches(one, query.q.toLowerCase())) : found;
  const oldest = found.at(-1)?.sequence ?? 0;
  return [
    h("h1", {}, "Events"),
    section(
      "The log",
      { id: "log", note: query.about ? `about ${query.about}, among the last ${LOOK_BACK}` : query.before ? `before event ${query.before}` : "the newest first, as it grows" },
      h(
        "div",
        { class: "filters", role: "search" },
        h("label", { class: "field" }, h("span", {}, "Filter"), h("input", { type: "search", "data-filter": "q", value: query.q ?? "", placeholder: "type, name, who …  ( / )", autocomplete: "off" })),
      ),
      shown.length ? h("ol", { class: "feed" }, shown.map(item)) : empty("No event here fits. All of them, as they come:", "flotilla events --follow"),
      h("div", { class: "buttons" }, (query.before || query.about) && h("a", { class: "button", href: "#/events" }, query.about ? "All events" : "Newest"), oldest > 1 && !query.about && h("a", { class: "button", href: links.route(["events"], { before: String(oldest), q: query.q }) }, "Older")),
    ),
  ];
}

function matches(one, wanted) {
  return [one.type, one.by, one.cause, one.subject, sentence(one)].some((text) => text.toLowerCase().includes(wanted));
}

function item(one) {
  const names = clustersOf(one);
  return h(
    "li",
    { "data-key": String(one.sequence) },
    links.event(one.sequence),
    time(one.at),
    h("span", { class: "what" }, h("strong", {}, sentence(one)), h("span", { class: "quiet" }, ` · ${one.type}`)),
    h("span", { class: "by" }, commit(one), `by ${one.by}`, one.cause && h("span", { class: "quiet" }, ` · ${digestsCut(one.cause)}`), " · ", links.stateAt(one.sequence, names.length === 1 ? clusterName(names[0]) : "")),
  );
}

/** The commit that an event is about, if it names one. */
export function commit(one) {
  const given = one.event.revision;
  if (!given) return null;
  const text = typeof given === "string" ? given : `${given.ref}@sha1:${given.commit}`;
  return [links.revision(text, sourceUrl(sourceOf(one))), " "];
}

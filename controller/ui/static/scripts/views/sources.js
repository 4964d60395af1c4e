// Sources: Git repositories, what each says now, and since when nothing could be learned from one.

import { h } from "../dom.js";
import { event, revision, route } from "../links.js";
import { badge, empty, section, table } from "../parts.js";
import { count, sourceState } from "../words.js";

/** The title of the page. */
export const title = () => "Sources";

/** What is asked of the hub: every view knows the sources. */
export const needs = () => ({});

/** Is enough known to draw? */
export const isReady = ({ data }) => Boolean(data.sources);

/** The view. */
export function render(_place, { data }) {
  const rows = data.sources.items;
  if (!rows.length) return [h("h1", {}, "Sources"), empty("A source is a Git repository. Add one suspended, look at what it would change, then let it go:", "flotilla source add shop https://git.example.com/shop.git --path 'apps/*' --all-clusters --suspended\nflotilla diff shop\nflotilla source resume shop")];
  return [
    h("h1", {}, "Sources"),
    section(
      "Git repositories",
      { id: "sources", note: count(rows.length, "source") },
      table(
        "Sources",
        ["Source", "State", "Revision", "Bundles", "Rollout", "Why", "Event"],
        rows.map((one) => ({
          key: one.name,
          cells: [
            [h("a", { href: route(["events"], { about: `source/${one.name}` }), title: "its events" }, one.name), h("div", { class: "quiet address" }, one.url)],
            badge(sourceState(one.state), one.state),
            revision(one.revision, one.url),
            `${one.bundles} (${count(one.objects, "object")})`,
            one.rollout ? h("a", { href: route(["rollouts", one.name]) }, one.rollout) : "none yet",
            one.reason,
            event(one.event),
          ],
        })),
      ),
    ),
  ];
}

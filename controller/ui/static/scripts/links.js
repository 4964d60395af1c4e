// Where things are: in this page by hash routes, and on the forge where a commit can be read.

import { h } from "./dom.js";
import { short } from "./words.js";

/** The hash route of these words and, as its query, these values; empty ones are left out. */
export function route(words, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${words.map((word) => encodeURIComponent(word)).join("/")}${tail}`;
}

/** A link to a cluster's page. */
export function cluster(name) {
  return h("a", { href: route(["clusters", name]) }, name);
}

/** A link to a bundle's page. */
export function bundle(id) {
  return h("a", { href: route(["bundles", id]) }, id);
}

/** A link to the event that a state rests on. */
export function event(sequence) {
  if (!sequence) return null;
  return h("a", { href: route(["events", String(sequence)]), class: "event", title: "the event that this rests on" }, `#${sequence}`);
}

/** A link to the desired state at an event: of this cluster, or of one that is chosen there. */
export function stateAt(sequence, name = "") {
  return h("a", { href: route(["at", String(sequence), ...(name ? [name] : [])]), class: "then", title: "desired state at this moment", "aria-label": `desired state${name ? ` of ${name}` : ""} at event ${sequence}` }, "state then");
}

const FORGES = [
  { host: /^(www\.)?github\.com$|^github\./, path: "commit" },
  { host: /^gitlab\.com$|^gitlab\./, path: "-/commit" },
  { host: /^codeberg\.org$|^gitea\.com$|^gitea\.|^forgejo\./, path: "commit" },
  { host: /^bitbucket\.org$/, path: "commits" },
];

/** The address of a commit on the forge of this source; empty where the forge is not known. */
export function commitAddress(url, commit) {
  const found =
    /^https:\/\/(?:[^@/]*@)?([^/:]+)(?::\d+)?\/(.+?)(?:\.git)?\/?$/.exec(url) ??
    /^ssh:\/\/(?:[^@/]*@)?([^/:]+)(?::\d+)?\/(.+?)(?:\.git)?\/?$/.exec(url) ??
    /^(?:[^@/:]*@)([^/:]+):(.+?)(?:\.git)?\/?$/.exec(url);
  const forge = found && FORGES.find((one) => one.host.test(found[1]));
  return forge ? `https://${found[1]}/${encodeURI(found[2])}/${forge.path}/${commit}` : "";
}

/** `main@sha1:3f1c…` split into its ref and its commit. */
export function parsed(revision) {
  const [ref, commit = ""] = revision.split("@sha1:");
  return { ref, commit };
}

/** A revision for people, leading to its commit where the source's forge is known. */
export function revision(text, url = "") {
  if (!text) return h("span", { class: "quiet" }, "none yet");
  const { ref, commit } = parsed(text);
  const address = commit && commitAddress(url, commit);
  const label = [ref, commit ? " " : "", commit && h("code", {}, short(commit, 10))];
  if (!address) return h("span", { class: "revision", title: text }, label);
  return h("a", { class: "revision", href: address, rel: "noreferrer", title: text }, label);
}

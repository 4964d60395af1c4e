// Questions before something is done that cannot be undone: they show exactly what the answer is about.

import { h, show } from "./dom.js";
import { count } from "./words.js";

const SHOWN_MAX = 12; // lines of objects; the view behind the dialog has them all

/** Ask about a set of deletions; true: yes. */
export function confirmDeletions({ deletions, members }, verb) {
  const approves = verb === "approve";
  const names = members.flatMap((one) => one.objects.map((object) => `${object} · ${count(one.clusterCount, "cluster")}`));
  return ask({
    title: approves ? "Delete these objects?" : "Keep these objects?",
    yes: approves ? `Approve: delete ${count(deletions.objects, "object")}` : "Reject: keep them",
    kind: approves ? "danger" : "primary",
    content: [
      h(
        "p",
        {},
        approves
          ? `${count(deletions.objects, "object")} will be deleted from ${count(deletions.clusters, "cluster")}. This cannot be undone.`
          : `${count(deletions.objects, "object")} on ${count(deletions.clusters, "cluster")} will stay. They become orphans: kept, and nobody's from now on.`,
      ),
      h("ul", { class: "lines boxed" }, names.slice(0, SHOWN_MAX).map((one) => h("li", {}, one))),
      names.length > SHOWN_MAX && h("p", { class: "quiet" }, `and ${names.length - SHOWN_MAX} more lines`),
      h("p", {}, "Your word binds to this digest, and to nothing else:"),
      h("pre", { class: "digest" }, h("code", {}, deletions.digest)),
    ],
  });
}

const STEERING = {
  pause: "No more clusters are given the revision until it is resumed; those that have it keep it.",
  resume: "Clusters are given the revision again.",
  retry: "Failed clusters are judged anew, and a halt ends.",
  abort: "No more clusters are ever given this revision; those that have it keep it.",
};

/** Ask about a rollout; true: yes. */
export function confirmRollout(source, verb) {
  const word = verb[0].toUpperCase() + verb.slice(1);
  return ask({
    title: `${word} the rollout of ${source}?`,
    yes: word,
    kind: verb === "abort" ? "danger" : "primary",
    content: [h("p", {}, STEERING[verb])],
  });
}

function ask({ title, yes, kind, content }) {
  const element = document.getElementById("dialog");
  const no = h("button", { type: "button", class: "button", autofocus: true }, "Cancel");
  const go = h("button", { type: "button", class: `button ${kind}` }, yes);
  element.replaceChildren();
  show(element, [h("h2", { id: "dialog-title" }, title), content]);
  element.append(h("div", { class: "buttons" }, no, go));
  element.returnValue = "";
  no.addEventListener("click", () => element.close(""));
  go.addEventListener("click", () => element.close("yes"));
  return new Promise((resolve) => {
    element.addEventListener("close", () => resolve(element.returnValue === "yes"), { once: true });
    element.showModal();
  });
}

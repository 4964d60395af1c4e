// Who are you? A token is exchanged for a session; it is kept nowhere.

import { h } from "../dom.js";

/** The title of the page. */
export const title = () => "Sign in";

/** Nothing is asked of the hub before. */
export const needs = () => ({});

/** There is always enough known. */
export const isReady = () => true;

/** The view. */
export function render() {
  return [
    h(
      "section",
      { class: "panel sign-in", "aria-labelledby": "sign-in-title" },
      h("h1", { id: "sign-in-title" }, "Sign in"),
      h("p", {}, "The quick way is a command, which prints a link that works once:"),
      h("pre", {}, h("code", {}, "flotilla ui")),
      h("p", {}, "Or paste a token. It is exchanged for a session, and kept nowhere."),
      h(
        "form",
        { id: "sign-in" },
        h("label", { class: "field" }, h("span", {}, "Token"), h("input", { type: "password", name: "token", autocomplete: "off", required: true, spellcheck: "false" })),
        h("button", { type: "submit", class: "button primary" }, "Sign in"),
      ),
    ),
  ];
}

/** The first thing that a person does here is to paste. */
export function focus() {
  document.querySelector("#sign-in input").focus();
}

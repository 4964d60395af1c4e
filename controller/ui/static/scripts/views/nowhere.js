// An address that leads nowhere.

import { h } from "../dom.js";
import { empty } from "../parts.js";

/** The title of the page. */
export const title = () => "Not here";

/** Nothing is asked of the hub. */
export const needs = () => ({});

/** There is always enough known. */
export const isReady = () => true;

/** The view. */
export const render = ({ path }) => [h("h1", {}, "Not here"), empty(`There is no view “${path.join("/")}”.`), h("p", {}, h("a", { href: "#/" }, "Go to the fleet"))];

// Elements are made here and nowhere else: what comes from the hub is text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children. `null`, `undefined` and `false` are left out, in both. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of a picture. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

const drafts = new WeakMap(); // of an element that is not drawn yet: how it is
const stamps = new WeakMap(); // of an element: what it was drawn from

/** An element with a key, of which there may be thousands: it is drawn by `draw`, and only if its stamp changed. */
export function draft(tag, key, stamp, draw) {
  const made = h(tag, { "data-key": key });
  drafts.set(made, draw);
  stamps.set(made, stamp);
  return made;
}

/** Make the live element's content be these nodes, changing only what differs: focus, selection and scroll stay. */
export function show(live, nodes) {
  const fresh = document.createElement(live.localName);
  fresh.append(...nodes.flat(Infinity).filter(isThere));
  patchChildren(live, fresh);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (isThere(value)) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter(isThere));
  return element;
}

function isThere(value) {
  return value !== null && value !== undefined && value !== false;
}

function patchChildren(live, fresh) {
  const known = new Map();
  for (const child of live.children) if (child.dataset?.key) known.set(child.dataset.key, child);
  let place = live.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = wanted.dataset?.key;
    const found = key ? known.get(key) : place && isAlike(place, wanted) ? place : null;
    if (!found || found.nodeName !== wanted.nodeName) {
      live.insertBefore(drawn(wanted), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else live.insertBefore(found, place);
    if (!isSame(found, wanted)) patch(found, drawn(wanted));
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function isSame(live, wanted) {
  const stamp = stamps.get(wanted);
  if (stamp === undefined || stamps.get(live) === stamp) return stamp !== undefined;
  stamps.set(live, stamp);
  return false;
}

/** The element with what belongs into it, drafts below it included. */
function drawn(element) {
  const draw = drafts.get(element);
  if (draw) element.append(...[draw()].flat(Infinity).filter(isThere));
  drafts.delete(element);
  if (element.nodeType === Node.ELEMENT_NODE) for (const child of element.children) drawn(child);
  return element;
}

function isAlike(live, wanted) {
  return live.nodeName === wanted.nodeName && !live.dataset?.key;
}

function patch(live, wanted) {
  if (live.nodeType === Node.TEXT_NODE) {
    if (live.data !== wanted.data) live.data = wanted.data;
    return;
  }
  const given = live.getAttribute("value");
  for (const { name } of [...live.attributes]) {
    // What a person opened stays open, and where the arrows led stays there.
    if (name !== "open" && name !== "tabindex" && !wanted.hasAttribute(name)) live.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "tabindex" && live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  // What a person typed stays, until the view means another value than it did before.
  if (live.localName === "input" && live !== document.activeElement && given !== wanted.getAttribute("value")) live.value = wanted.getAttribute("value") ?? "";
  patchChildren(live, wanted);
  if (live.localName === "select" && live !== document.activeElement) {
    live.value = wanted.querySelector("option[selected]")?.value ?? live.options[0]?.value ?? "";
  }
}

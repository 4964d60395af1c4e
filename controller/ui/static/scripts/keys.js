// The keyboard: `/` goes to the filter, Esc leaves it, the arrows walk the grid, `?` is never needed.

/** Listen to the keyboard, everywhere. */
export function listen() {
  document.addEventListener("keydown", (pressed) => {
    if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
    if (pressed.key === "/" && !isTyping(pressed.target)) return focusFilter(pressed);
    if (pressed.key === "Escape" && isTyping(pressed.target)) return leave(pressed.target);
    const cell = pressed.target.closest?.("[data-grid] a");
    if (cell) walk(pressed, cell);
  });
  document.addEventListener("focusin", ({ target }) => target.matches("[data-grid] a") && rove(target));
}

function isTyping(element) {
  return element.matches("input, select, textarea");
}

function focusFilter(pressed) {
  const field = document.querySelector("[data-filter=q]");
  if (!field) return;
  pressed.preventDefault();
  field.focus();
  field.select();
}

function leave(field) {
  if (field.value && field.dataset.filter) {
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  } else {
    (document.querySelector("[data-grid] a[tabindex='0']") ?? document.getElementById("main")).focus();
  }
}

function walk(pressed, cell) {
  const cells = [...document.querySelectorAll("[data-grid] a")];
  const place = cells.indexOf(cell);
  const next = {
    ArrowRight: () => cells[place + 1],
    ArrowLeft: () => cells[place - 1],
    ArrowDown: () => nearest(cell, cells, 1),
    ArrowUp: () => nearest(cell, cells, -1),
    Home: () => cells[0],
    End: () => cells.at(-1),
  }[pressed.key];
  if (!next) return;
  pressed.preventDefault();
  next()?.focus();
}

/** The cell in the next row, above or below, that is closest to this one's middle. */
function nearest(cell, cells, direction) {
  const here = cell.getBoundingClientRect();
  const middle = here.left + here.width / 2;
  let best = null;
  for (const other of cells) {
    const there = other.getBoundingClientRect();
    const down = direction * (there.top - here.top);
    if (down <= 1) continue;
    const aside = Math.abs(there.left + there.width / 2 - middle);
    if (!best || down < best.down - 1 || (down <= best.down + 1 && aside < best.aside)) best = { other, down, aside };
  }
  return best?.other;
}

/** One cell of the grid is reached by Tab: the one that had the focus last. */
function rove(cell) {
  for (const other of document.querySelectorAll("[data-grid] a[tabindex='0']")) other.setAttribute("tabindex", "-1");
  cell.setAttribute("tabindex", "0");
}

// A classic script, run before the first paint: a page that flashes white at night is none that one leaves open.
(() => {
  const chosen = localStorage.getItem("flotilla.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

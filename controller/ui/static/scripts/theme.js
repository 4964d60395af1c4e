// A classic script, run before the first paint: a page that flashes white at night is none that one leaves open.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("flotilla.theme");
  } catch (error) {
    // This browser keeps nothing for the page: the theme is the system's.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.setAttribute("data-theme", chosen);
})();

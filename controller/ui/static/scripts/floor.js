// A classic script in the language of 2009, run before all others: where the page cannot run, it says so, and why.
(function () {
  var css = window.CSS && CSS.supports ? CSS : { supports: function () { return false; } };
  var needed = [
    ["light-dark()", css.supports("color", "light-dark(#fff, #000)")],
    [":has()", css.supports("selector(:has(a))")],
    ["Map.groupBy", typeof Map === "function" && typeof Map.groupBy === "function"],
    ["AbortSignal.timeout", typeof AbortSignal === "function" && typeof AbortSignal.timeout === "function"],
  ];
  var missing = [];
  for (var place = 0; place < needed.length; place += 1) if (!needed[place][1]) missing.push(needed[place][0]);
  if (missing.length) document.documentElement.setAttribute("data-too-old", "");

  function tell(id) {
    document.getElementById("main").hidden = true;
    document.getElementById(id).hidden = false;
  }

  document.addEventListener("DOMContentLoaded", function () {
    if (!missing.length) return;
    document.getElementById("missing").textContent = missing.join(", ");
    tell("too-old");
  });
  // Errors of scripts that do not arrive are told where they happen, and do not rise.
  document.addEventListener(
    "error",
    function (failed) {
      if (failed.target.nodeName === "SCRIPT" && !missing.length) tell("not-loaded");
    },
    true
  );
})();

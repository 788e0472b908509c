// Runs before the first paint, so that the page never shows the other theme; hence it is not a module.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("logboom-theme");
  } catch {
    // storage is not allowed: the system's theme is used
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

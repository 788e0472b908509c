// Runs before the first paint, so that the page never flashes in the other theme. Not a module for that reason.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("logboom-theme");
  } catch {
    // storage is forbidden: the system's theme it is
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

// A menu: a button that opens a box below it. Escape, and leaving it, close it.

import { el } from "/static/dom.js";

/**
 * @param {string} text of the button.
 * @param {() => void} opened is called when the box is opened.
 * @param {...Node} content
 */
export function menu(text, opened, ...content) {
  const element = el("details", { class: "menu" }, el("summary", { class: "button" }, text), el("div", { class: "menu-box" }, content));
  const close = () => (element.open = false);
  element.addEventListener("toggle", () => element.open && opened());
  element.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !element.contains(relatedTarget) && close());
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !element.open) return;
    event.stopPropagation();
    close();
    element.firstChild.focus();
  });
  return element;
}

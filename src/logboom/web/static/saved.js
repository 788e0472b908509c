// Saved views: addresses with a name, kept by the browser.

import { el, reconcile, setText } from "/static/dom.js";
import { keep, kept } from "/static/kept.js";
import { menu } from "/static/menu.js";
import { here, link } from "/static/route.js";

const SAVED_MAX = 100; // more than a menu can show
const NAME_MAX = 100;

/** The menu of saved views. `look` returns parameters that the address may lack, such as the columns. */
export function savedMenu(look) {
  const list = el("ul");
  const none = el("p", { class: "soft small" }, "Nothing is saved yet.");
  const name = el("input", { type: "text", placeholder: "name", "aria-label": "Name of this view", maxlength: NAME_MAX, required: true });
  const note = el("p", { class: "soft small", role: "status" }, "Kept in this browser. To share a view, copy its link: y.");
  const form = el("form", { class: "save", on: { submit: save } }, name, el("button", { type: "submit" }, "Save"));

  function save(event) {
    event.preventDefault();
    event.stopPropagation();
    const chosen = name.value.trim();
    if (!chosen) return;
    const others = saved().filter((one) => one.name !== chosen);
    if (others.length >= SAVED_MAX) return setText(note, `${SAVED_MAX} views are saved: remove one first.`);
    const { view, parameters } = here();
    for (const [key, value] of Object.entries(look())) if (value) parameters.set(key, value);
    keep("saved", [...others, { name: chosen, hash: link(view, parameters) }]);
    name.value = "";
    show();
  }

  function remove(one) {
    keep("saved", saved().filter((other) => other.name !== one));
    show();
    name.focus();
  }

  function show() {
    const all = saved();
    none.hidden = all.length > 0;
    reconcile(list, all, (one) => one.name,
      (one) => el("li", { class: "saved" }, el("a", {}, one.name),
        el("button", { type: "button", class: "quiet", "aria-label": `Remove ${one.name}`, on: { click: () => remove(one.name) } }, "✕")),
      (row, one) => row.firstChild.setAttribute("href", one.hash));
  }

  return menu("Saved", show, list, none, form, note);
}

/** The saved views: `{name, hash}`. What is not one, in a storage that others can write, is left out. */
function saved() {
  const all = kept("saved", []);
  if (!Array.isArray(all)) return [];
  return all.filter((one) => typeof one?.name === "string" && typeof one.hash === "string" && one.hash.startsWith("#/"));
}

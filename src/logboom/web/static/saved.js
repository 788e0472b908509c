// Saved views: addresses with a name, kept by the server for all users, or by the browser.

import { read, remove, send } from "/static/api.js";
import { el, reconcile, setText } from "/static/dom.js";
import { keep, kept } from "/static/kept.js";
import { menu } from "/static/menu.js";
import { here, link } from "/static/route.js";

const OWN_MAX = 100; // more than a menu can show
const NAME_MAX = 100;
const SERVER = "all users";
const BROWSER = "this browser";

/** The menu of saved views. `look` returns parameters that the address may lack, such as the columns. */
export function savedMenu(look) {
  const list = el("ul");
  const none = el("p", { class: "soft small" }, "Nothing is saved yet.");
  const name = el("input", { type: "text", placeholder: "name", "aria-label": "Name of this view", maxlength: NAME_MAX, required: true });
  const place = el("select", { "aria-label": "Save it for" }, [SERVER, BROWSER].map((one) => el("option", { value: one }, `for ${one}`)));
  const note = el("p", { class: "soft small", role: "status" });
  const form = el("form", { class: "save", on: { submit: save } }, name, place, el("button", { type: "submit" }, "Save"));
  let shared = [];

  async function save(event) {
    event.preventDefault();
    event.stopPropagation();
    const chosen = name.value.trim();
    if (!chosen) return;
    const { view, parameters } = here();
    for (const [key, value] of Object.entries(look())) if (value) parameters.set(key, value);
    const one = { name: chosen, address: link(view, parameters) };
    if (await (place.value === SERVER ? share(one) : keepOwn(one))) name.value = "";
  }

  /** Save a view on the server; returns whether it is. */
  const share = (one) => change(() => send("PUT", "/api/views", one));

  function keepOwn(one) {
    const others = own().filter((other) => other.name !== one.name);
    if (others.length >= OWN_MAX) return setText(note, `${OWN_MAX} views are saved: remove one first.`);
    keep("saved", [...others, { name: one.name, hash: one.address }]);
    show();
    return true;
  }

  function dropOwn(one) {
    keep("saved", own().filter((other) => other.name !== one.name));
    show();
  }

  /** Change the views of the server; returns whether it did. */
  async function change(act) {
    setText(note, "");
    try {
      shared = views(await act());
      show();
      return true;
    } catch (error) {
      setText(note, error.message);
      return false;
    }
  }

  async function drop(one) {
    if (one.place === BROWSER) dropOwn(one);
    else await change(() => remove("/api/views", { view: one.name }));
    name.focus();
  }

  async function move(one) {
    if (await share({ name: one.name, address: one.address })) dropOwn(one);
  }

  async function open() {
    show();
    try {
      shared = views(await read("/api/views", {}));
      setText(note, "");
    } catch (error) {
      setText(note, error.message);
    }
    show();
  }

  function show() {
    const all = [...shared, ...own()];
    none.hidden = all.length > 0;
    reconcile(list, all, (one) => `${one.place} ${one.name}`, row, (element, one) => element.firstChild.setAttribute("href", one.address));
  }

  const row = (one) => el("li", { class: "saved" }, el("a", {}, one.name),
    one.place === BROWSER ? el("button", { type: "button", class: "quiet", title: "Only in this browser. Save it for all users.", "aria-label": `Save ${one.name} for all users`, on: { click: () => move(one) } }, "share") : null,
    el("button", { type: "button", class: "quiet", title: "Remove", "aria-label": `Remove ${one.name}`, on: { click: () => drop(one) } }, "✕"));

  return menu("Saved", open, list, none, form, note);
}

const isAddress = (text) => typeof text === "string" && text.startsWith("#/");

const views = (document) => document.views.filter(({ address }) => isAddress(address)).map((one) => ({ ...one, place: SERVER }));

/** The views of the browser. What is not one, in a storage that others can write, is left out. */
function own() {
  const all = kept("saved", []);
  if (!Array.isArray(all)) return [];
  return all.filter((one) => typeof one?.name === "string" && isAddress(one.hash)).map(({ name, hash }) => ({ name, address: hash, place: BROWSER }));
}

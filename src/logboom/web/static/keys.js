// Keys that work in all views.

import { copied } from "/static/copying.js";
import { el, setText } from "/static/dom.js";
import { openedEntry } from "/static/entry.js";
import { go, permalink } from "/static/route.js";

const KEYS = [
  ["/", "go to the query"],
  ["j  k", "next and previous entry, as ↓ and ↑"],
  ["Enter", "open the entry"],
  ["→  ←", "unfold the entry in place, and fold it"],
  ["o", "open the entry among those before and after it"],
  ["y", "copy the link to the open entry, or to this view"],
  ["Esc", "close what is open"],
  ["?", "show these keys"],
];
const NOTE_MS = 2000;

const note = el("p", { class: "toast", role: "status", hidden: true });
document.body.append(note);
let noted = 0;

function announce(text) {
  setText(note, text);
  note.hidden = false;
  clearTimeout(noted);
  noted = setTimeout(() => (note.hidden = true), NOTE_MS);
}

function showKeys() {
  const close = el("button", { type: "button", class: "primary", autofocus: true }, "Close");
  const rows = KEYS.map(([key, text]) => [el("dt", {}, key.split("  ").map((one) => [el("kbd", {}, one), " "])), el("dd", {}, text)]);
  const dialog = el("dialog", { class: "login keys", "aria-label": "Keys" }, el("h2", {}, "Keys"), el("dl", {}, rows), el("p", {}, close));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

async function copyLink() {
  const item = openedEntry();
  const address = item ? permalink(item.sequence) : location.href;
  const name = item ? `Link to entry ${item.sequence}` : "Link to this view";
  announce((await copied(address)) ? `${name} copied` : address);
}

const ACTS = {
  "/": (event) => {
    const query = document.querySelector("#view input[name=q]");
    if (!query) return;
    event.preventDefault();
    query.focus();
  },
  "?": showKeys,
  y: copyLink,
  o: () => openedEntry() && go("entry", { sequence: openedEntry().sequence }),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, select, textarea, dialog")) return;
  if (Object.hasOwn(ACTS, event.key)) ACTS[event.key](event);
});

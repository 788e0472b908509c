// One entry with all its fields, in the panel beside the list.

import { el } from "/static/dom.js";
import { counted, levelClass, moment } from "/static/format.js";
import { link } from "/static/route.js";
import { hasMessage, senderOf } from "/static/sender.js";

const AROUND_MS = 60_000;
const DEPTH_MAX = 12; // deeper ones are shown as JSON: nobody reads that far
const FIELD_CHARACTERS_MAX = 500; // of one in the table: the message stands above it, the JSON below
const FIELDS_MAX = 500; // an entry may have a megabyte of them; the JSON below has all

const panel = document.getElementById("entry");
let returnTo = null;

/** Close the panel. */
export function closeEntry() {
  panel.hidden = true;
  panel.replaceChildren();
  if (returnTo?.isConnected) returnTo.focus({ preventScroll: true });
  returnTo = null;
}

/**
 * Open an entry.
 * @param {object} item as the API gives it.
 * @param {string} view the view whose filters its links change.
 */
export function openEntry(item, view) {
  if (panel.hidden) returnTo = document.activeElement;
  const json = JSON.stringify(item.entry, null, 2);
  const at = Date.parse(item.received_at);
  const around = { since: new Date(at - AROUND_MS).toISOString(), until: new Date(at + AROUND_MS).toISOString() };
  const sender = senderOf(item);
  const parts = [
    el("div", { class: "entry-head" },
      el("h2", {}, el("span", { class: `level level-${levelClass(item.level)}` }, item.level || "no level"), ` Entry ${item.sequence}`),
      el("button", { type: "button", class: "quiet", "aria-label": "Close the entry", on: { click: closeEntry } }, "Close")),
    hasMessage(item) ? el("pre", { class: "entry-message" }, item.message) : null,
    el("p", { class: "actions" },
      copyButton(json),
      el("a", { href: link("search", around) }, "Show around this time"),
      el("a", { href: view === "live" ? link("live", { source: sender }) : link("search", { source: sender, since: "24h" }) }, "Only this source")),
    facts([
      ["Received", moment(item.received_at), item.received_at],
      ["Sender’s time", item.time === item.received_at ? "none" : moment(item.time), item.time],
      ["Source", sender],
      ["Peer", item.source],
      ["Listener", item.listener],
    ]),
    el("h3", {}, "Fields"),
    fieldTable(item.entry),
    el("details", {}, el("summary", {}, "JSON"), el("pre", { class: "json" }, json)),
  ];
  panel.replaceChildren(...parts.filter(Boolean));
  panel.hidden = false;
  panel.scrollTop = 0;
}

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.map(([name, text, hint]) => [el("dt", {}, name), el("dd", { title: hint }, text)]));
}

function copyButton(json) {
  const button = el("button", { type: "button" }, "Copy JSON");
  button.addEventListener("click", async () => {
    button.textContent = (await copied(json)) ? "Copied" : "Can’t copy: mark the JSON below";
  });
  return button;
}

/** Copy a text; over plain HTTP, browsers only have the old way. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "unseen" });
    area.value = text;
    panel.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function fieldTable(entry) {
  const rows = [];
  addFields(rows, entry, 0);
  const shown = rows.slice(0, FIELDS_MAX);
  if (rows.length > shown.length) shown.push(el("tr", {}, el("td", { colspan: 2 }, `… and more: see the JSON`)));
  return el("table", { class: "fields" }, el("tbody", {}, shown));
}

function addFields(rows, value, depth) {
  for (const [name, inner] of Object.entries(value)) {
    if (rows.length > FIELDS_MAX) return;
    const nested = inner !== null && typeof inner === "object" && depth < DEPTH_MAX && Object.keys(inner).length > 0;
    const head = el("th", { scope: "row" }, name);
    head.style.paddingInlineStart = `${depth * 0.9}rem`;
    const kind = inner === null ? "null" : typeof inner;
    rows.push(el("tr", {}, head, el("td", { class: `kind-${kind}` }, nested ? "" : written(inner))));
    if (nested) addFields(rows, inner, depth + 1);
  }
}

function written(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > FIELD_CHARACTERS_MAX ? `${text.slice(0, FIELD_CHARACTERS_MAX)}… (${counted(text.length, "character")})` : text;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panel.hidden) closeEntry();
});

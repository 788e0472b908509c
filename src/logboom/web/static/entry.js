// One entry with all its fields, in the panel next to the list.

import { condition, narrowed } from "/static/conditions.js";
import { copyButton } from "/static/copying.js";
import { el } from "/static/dom.js";
import { isNumber, isObject, stringify, written } from "/static/exact.js";
import { counted, levelClass, moment } from "/static/format.js";
import { here, link, permalink } from "/static/route.js";
import { messageOf, senderOf } from "/static/sender.js";
import { millisecondsOf, time } from "/static/units.js";

const AROUND_MS = 60_000;
const DEPTH_MAX = 12; // deeper values are shown as JSON
const SHORT_CHARACTERS_MAX = 200; // a longer text, or one of several lines, has the whole width, and can be folded
const OPEN_CHARACTERS_MAX = 20_000; // a longer text is folded at first: a megabyte takes the browser a while
const FIELDS_MAX = 500; // an entry may have a megabyte of them; the JSON below has all

const panel = document.getElementById("entry");
let returnTo = null;
let opened = null;

/** The entry in the panel, or null. */
export const openedEntry = () => (panel.hidden ? null : opened);

/** Close the panel. */
export function closeEntry() {
  panel.hidden = true;
  panel.replaceChildren();
  if (returnTo?.isConnected) returnTo.focus({ preventScroll: true });
  returnTo = null;
}

/**
 * Open an entry.
 * @param {object} item an entry of the API.
 * @param {string} view the view whose filters its links change.
 */
export function openEntry(item, view) {
  if (panel.hidden) returnTo = document.activeElement;
  opened = item;
  const json = stringify(item.entry, 2);
  const at = Date.parse(item.time);
  const around = { since: new Date(at - AROUND_MS).toISOString(), until: new Date(at + AROUND_MS).toISOString() };
  const sender = senderOf(item);
  const message = messageOf(item);
  const parts = [
    el("div", { class: "entry-head" },
      el("h2", {}, el("span", { class: `level level-${levelClass(item.level)}` }, item.level || "no level"), ` Entry ${item.sequence}`),
      el("button", { type: "button", class: "quiet", "aria-label": "Close the entry", on: { click: closeEntry } }, "Close")),
    message === null ? null : messageBox(message),
    el("p", { class: "actions" },
      copyButton(json, "Copy JSON"),
      copyButton(permalink(item.sequence), "Copy link"),
      el("a", { href: link("entry", { sequence: item.sequence }) }, "Before and after"),
      el("a", { href: link("search", around) }, "Show around this time"),
      el("a", { href: view === "live" ? link("live", { source: sender }) : link("search", { source: sender, since: "24h" }) }, "Only this source")),
    facts([
      ["Received", moment(item.received_at), item.received_at],
      ["Sender’s time", item.wrong_clock ? "wrong clock: not used" : item.time_from === "sender" ? moment(item.time) : "none", item.time],
      item.time_from === "uptime" && ["From its uptime", moment(item.time), item.time],
      ["Source", sender],
      ["Peer", item.source],
      ["Listener", item.listener],
    ]),
    el("h3", {}, "Fields"),
    fieldTable(item, view),
    el("details", {}, el("summary", {}, "JSON"), el("pre", { class: "json" }, json)),
  ];
  panel.replaceChildren(...parts.filter(Boolean));
  panel.hidden = false;
  panel.scrollTop = 0;
}

function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, text, hint]) => [el("dt", {}, name), el("dd", { title: hint }, text)]));
}

/** The message; one of several lines, such as a traceback, can be folded and copied. */
function messageBox(message) {
  const body = el("pre", { class: "entry-message" }, message);
  const lines = message.split("\n").length;
  if (lines === 1) return body;
  return el("div", { class: "long-message" }, copyButton(message),
    el("details", { open: true }, el("summary", {}, `Message, ${counted(lines, "line")}`), body));
}

function fieldTable(item, view) {
  const rows = [];
  addFields(rows, item, item.entry, 0, "", view);
  const shown = rows.slice(0, FIELDS_MAX);
  if (rows.length > shown.length) shown.push(el("tr", {}, el("td", { colspan: 2 }, `… and more: see the JSON`)));
  return el("table", { class: "fields" }, el("tbody", {}, shown));
}

/** Links that keep, or leave out, the entries with the same value; of a number, also the link to its chart. */
function valueLinks(item, field, value, view) {
  const text = condition(field, value);
  const { parameters } = here();
  const to = (added) => {
    const changed = new URLSearchParams(parameters);
    changed.set("q", narrowed(parameters.get("q") ?? "", added));
    return link(view, changed);
  };
  return el("span", { class: "value-links" },
    el("a", { class: "only", href: to(text), title: text, "aria-label": `Only ${field} ${value}` }),
    el("a", { class: "not", href: to(`-${text}`), title: `-${text}`, "aria-label": `Exclude ${field} ${value}` }),
    isNumber(value) ? el("a", { class: "chart", href: chartOf(item, field), title: `Chart of ${field}`, "aria-label": `Chart ${field}` }) : null);
}

const chartOf = (item, field) => link("charts", { source: senderOf(item), listener: item.listener, since: "1h", field });

/** A duration in a unit for people, after its number. */
function hintOf(name, value) {
  const factor = isNumber(value) ? millisecondsOf(name) : null;
  return factor ? el("span", { class: "soft hint" }, ` ${time(Number(value) * factor)}`) : null;
}

const isPlain = (value) => typeof value === "boolean" || typeof value === "string" || isNumber(value);

function addFields(rows, item, value, depth, outer, view) {
  for (const [name, inner] of Object.entries(value)) {
    if (rows.length > FIELDS_MAX) return;
    const nested = isObject(inner) && depth < DEPTH_MAX && Object.keys(inner).length > 0;
    const head = el("th", { scope: "row" }, name);
    head.style.paddingInlineStart = `${depth * 0.9}rem`;
    const kind = inner === null ? "null" : isNumber(inner) ? "number" : typeof inner;
    const text = nested ? "" : written(inner);
    if (text.length > SHORT_CHARACTERS_MAX || text.includes("\n")) rows.push(longRow(head, text));
    else rows.push(el("tr", {}, head, el("td", { class: `kind-${kind}` }, text, hintOf(name, inner), isPlain(inner) && text ? valueLinks(item, `${outer}${name}`, inner, view) : null)));
    if (nested) addFields(rows, item, inner, depth + 1, `${outer}${name}.`, view);
  }
}

/** A foldable row for a text that is long or has several lines. */
function longRow(head, text) {
  const lines = text.split("\n").length;
  const size = lines > 1 ? counted(lines, "line") : counted(text.length, "character");
  const body = el("pre", { class: "long-text" });
  const open = text.length <= OPEN_CHARACTERS_MAX;
  const fill = () => body.textContent || (body.textContent = text);
  if (open) fill();
  const fold = el("details", { open, on: { toggle: () => fold.open && fill() } },
    el("summary", {}, head.textContent, " ", el("span", { class: "size" }, size)), body);
  head.colSpan = 2;
  head.replaceChildren(copyButton(text), fold);
  return el("tr", { class: "long" }, head);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panel.hidden) closeEntry();
});

// The columns of lists of entries: picked, kept by the browser, and shared by the address.

import { el, reconcile } from "/static/dom.js";
import { written } from "/static/exact.js";
import { clock, moment } from "/static/format.js";
import { keep, kept } from "/static/kept.js";
import { menu } from "/static/menu.js";
import { note } from "/static/route.js";
import { senderOf, summaryOf } from "/static/sender.js";

export const USUAL = ["time", "level", "source", "message"];
const RECEIVED = "received_at"; // of the entry's envelope, not one of its fields
const COLUMNS_MAX = 12;
const NAME_MAX = 128;
const WIDTHS = { time: "var(--time)", received_at: "21ch", level: "9ch", source: "minmax(10ch, 22ch)", message: "minmax(16ch, 1fr)" };
const FIELD_WIDTH = "minmax(8ch, 20ch)";

/** The value at a path such as `user.id`: a key with this name, or one inside another. */
export function valueAt(entry, path) {
  if (!entry || typeof entry !== "object") return undefined;
  if (Object.hasOwn(entry, path)) return entry[path];
  for (let dot = path.indexOf("."); dot > 0; dot = path.indexOf(".", dot + 1)) {
    const name = path.slice(0, dot);
    if (!Object.hasOwn(entry, name)) continue;
    const inner = valueAt(entry[name], path.slice(dot + 1));
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** The text of an entry in a column. */
export function cellText(item, column) {
  if (column === "time") {
    const at = item.by_arrival ? item.received_at : item.time;
    return `${item.dated ? moment(at) : clock(at)}${item.wrong_clock ? " ⚠" : ""}${item.time_from === "uptime" && !item.by_arrival ? " ↶" : ""}`;
  }
  if (column === RECEIVED) return moment(item.received_at);
  if (column === "level") return item.level || "–";
  if (column === "source") return senderOf(item);
  if (column === "message") return summaryOf(item);
  const value = valueAt(item.entry, column);
  return value === undefined ? "" : written(value);
}

/** The grid of a row with these columns. */
export const gridOf = (columns) => columns.map((name) => WIDTHS[name] ?? FIELD_WIDTH).join(" ");

const checked = (names) => [...new Set(names)].filter((name) => name && name.length <= NAME_MAX).slice(0, COLUMNS_MAX);

/** The menu: columns and wrapping. */
export class ColumnMenu {
  /**
   * @param {() => void} changed is called after each choice.
   * @param {() => Promise<string[]>} ask returns the fields to offer.
   */
  constructor(changed, ask) {
    this.changed = changed;
    this.columns = checked(kept("columns", USUAL));
    this.wrapped = kept("wrap", false) === true;
    this.fields = [];
    this.list = el("ul");
    this.added = el("input", { type: "text", placeholder: "field, such as user.id", "aria-label": "Add a column", spellcheck: "false" });
    this.added.addEventListener("keydown", (event) => event.key === "Enter" && this.#add(event));
    this.wrap = el("button", { type: "button", "aria-pressed": String(this.wrapped), title: "Show long lines in full", on: { click: () => this.#toggleWrap() } }, "Wrap");
    this.menu = menu("Columns", async () => this.#offer(await ask()), this.list, this.added,
      el("button", { type: "button", on: { click: () => this.#choose(USUAL) } }, "Usual columns"));
    this.element = el("span", { class: "look" }, this.menu, this.wrap);
    this.#show();
  }

  /** Offer these fields. */
  #offer(fields) {
    this.fields = fields.filter((name) => !USUAL.includes(name) && name !== "listener");
    this.#show();
  }

  /** Show the columns of an address; null: those that are kept. */
  set(text) {
    const columns = text === null ? checked(kept("columns", USUAL)) : checked(text.split(","));
    if (columns.length && columns.join() !== this.columns.join()) this.#apply(columns);
  }

  toggle(name) {
    const has = this.columns.includes(name);
    if (has && this.columns.length === 1) return this.#show();
    const rest = this.columns.filter((one) => one !== name);
    const place = rest.indexOf("message");
    const at = USUAL.includes(name) ? USUAL.filter((one) => rest.includes(one) || one === name).indexOf(name) : place < 0 ? rest.length : place;
    return this.#choose(has ? rest : rest.toSpliced(name === "message" ? rest.length : at, 0, name));
  }

  /** Columns for an address; empty for the usual ones. */
  get text() {
    return this.columns.join() === USUAL.join() ? "" : this.columns.join();
  }

  #choose(columns) {
    keep("columns", checked(columns));
    this.#apply(checked(columns));
    note("columns", this.text);
  }

  #apply(columns) {
    this.columns = columns;
    this.#show();
    this.changed();
  }

  #add(event) {
    event.preventDefault();
    const name = this.added.value.trim();
    this.added.value = "";
    if (name && !this.columns.includes(name)) this.toggle(name);
  }

  #toggleWrap() {
    this.wrapped = !this.wrapped;
    keep("wrap", this.wrapped);
    this.wrap.setAttribute("aria-pressed", String(this.wrapped));
    this.changed();
  }

  #show() {
    const names = [...new Set([...USUAL, RECEIVED, ...this.columns, ...this.fields])];
    reconcile(this.list, names, (name) => name, (name) => {
      const box = el("input", { type: "checkbox", on: { change: () => this.toggle(name) } });
      return el("li", {}, el("label", {}, box, ` ${name}`));
    }, (row, name) => (row.querySelector("input").checked = this.columns.includes(name)));
  }
}

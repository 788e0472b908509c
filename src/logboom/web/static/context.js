// One entry among those before and after it; its address is the entry's permalink.

import { readEntries } from "/static/api.js";
import { ColumnMenu } from "/static/columns.js";
import { el, setText } from "/static/dom.js";
import { closeEntry, openEntry } from "/static/entry.js";
import { moment } from "/static/format.js";
import { go } from "/static/route.js";
import { Rows } from "/static/rows.js";
import { senderOf } from "/static/sender.js";

export const title = "Entry";

const STEP = 20; // entries before and after, each time
const SHOWN_MAX = 10_000; // more than anyone reads; Search has all
const SCOPES = [["", "This source"], ["all", "All sources"]];
const WIDE = matchMedia("(min-width: 62rem)");

class Context {
  constructor(root, parameters) {
    this.root = root;
    this.head = el("h2", {});
    this.note = el("span", { class: "soft", role: "status" });
    this.scopes = el("span", { class: "tabs", role: "group", "aria-label": "Show" }, SCOPES.map(([scope, text]) =>
      el("button", { type: "button", data: { scope }, on: { click: () => this.#go({ scope }) } }, text)));
    this.earlier = el("button", { type: "button", hidden: true, on: { click: () => this.#before() } }, `${STEP} more before`);
    this.later = el("button", { type: "button", hidden: true, on: { click: () => this.#after() } }, `${STEP} more after`);
    this.items = new Map(); // by index: 0 is the entry
    this.first = this.end = 0;
    const items = { first: () => this.first, end: () => this.end, at: (index) => this.items.get(index) };
    this.rows = new Rows(root, "The entry among those before and after it, oldest first", items, (item) => openEntry(item, "search"));
    this.menu = new ColumnMenu(() => this.rows.look(this.menu), async () => [...this.#fields()]);
    this.rows.look(this.menu);
    root.replaceChildren(this.head, el("p", { class: "status-line" }, this.scopes, this.note, this.menu.element),
      el("p", { class: "more" }, this.earlier), this.rows.heads, this.rows.element, el("p", { class: "more" }, this.later));
    this.update(parameters);
  }

  update(parameters) {
    this.sequence = Number(parameters.get("sequence"));
    this.scope = parameters.get("scope") ?? "";
    this.menu.set(parameters.get("columns"));
    for (const tab of this.scopes.children) tab.setAttribute("aria-pressed", String(tab.dataset.scope === this.scope));
    setText(this.head, `Entry ${this.sequence}`);
    this.#load();
  }

  close() {
    this.abort?.abort();
    this.rows.close();
  }

  #go(changes) {
    go("entry", { sequence: this.sequence, scope: this.scope, columns: this.menu.text, ...changes });
  }

  async #load() {
    this.abort?.abort();
    const { signal } = (this.abort = new AbortController());
    this.items.clear();
    this.first = this.end = 0;
    this.rows.reset();
    this.rows.element.hidden = this.earlier.hidden = this.later.hidden = true;
    closeEntry();
    try {
      setText(this.note, "loading");
      const { entries } = await readEntries({ after: this.sequence - 1, before: this.sequence + 1, limit: 1 }, signal);
      if (!entries.length) return setText(this.note, "This entry is no longer kept, or was never stored.");
      this.#put(0, entries[0]);
      this.end = 1;
      this.before = this.after = this.sequence;
      this.filters = this.scope === "all" ? {} : { source: senderOf(entries[0]) };
      this.rows.element.hidden = false;
      this.rows.marked = this.rows.chosen = 0;
      await Promise.all([this.#before(), this.#after()]);
      setText(this.note, `${senderOf(entries[0])}, ${moment(entries[0].time)}`);
      this.rows.reveal(0, { middle: true });
      if (WIDE.matches) this.rows.choose(0);
    } catch (error) {
      if (error.name !== "AbortError") setText(this.note, error.message);
    }
  }

  #put(index, entry) {
    this.items.set(index, { ...entry, dated: true });
  }

  /** Load entries before the first one. */
  async #before() {
    this.before = await this.#more(this.earlier, "before", this.before, (entry) => this.#put((this.first -= 1), entry));
  }

  /** Load entries after the last one. */
  async #after() {
    this.after = await this.#more(this.later, "after", this.after, (entry) => this.#put(this.end++, entry));
  }

  /** Load entries of one side, in several requests where the server needs long; returns where to continue, or null. */
  async #more(button, side, from, put) {
    const { signal } = this.abort;
    let cursor = from;
    button.disabled = true;
    try {
      for (let wanted = STEP; wanted > 0 && cursor !== null; ) {
        const page = await readEntries({ ...this.filters, [side]: cursor, limit: wanted }, signal);
        for (const entry of page.entries) put(entry);
        wanted -= page.entries.length;
        cursor = page.more ? page[side] : null;
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
      setText(this.note, error.message);
    }
    button.disabled = false;
    button.hidden = cursor === null || this.end - this.first > SHOWN_MAX;
    this.rows.draw();
    return cursor;
  }

  #fields() {
    const names = new Set();
    for (const item of this.items.values()) for (const name of Object.keys(item.entry ?? {})) names.add(name);
    return names;
  }
}

/** Show an entry's context. */
export const show = (root, parameters) => new Context(root, parameters);

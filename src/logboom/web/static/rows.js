// A virtual list, in which only the visible rows exist, and the rows of log entries.

import { cellText, gridOf, USUAL } from "/static/columns.js";
import { el, setText } from "/static/dom.js";
import { levelClass } from "/static/format.js";
import { Marks, pieces } from "/static/marks.js";
import { Offsets } from "/static/offsets.js";
import { unfoldedText } from "/static/unfolding.js";

const SPARE_ROWS = 6; // above and below: scrolling by a little shows no blanks
const PHONE = matchMedia("(max-width: 44rem)");
const ROW_PX = 24;
const PHONE_ROW_PX = 46; // two lines, and room for a finger
const PASSES = 3; // rows that are measured move others into view, which are measured then
const REST = ["message"]; // on a phone the second line, with all fields

/**
 * A virtual list. Rows have the same height, unless they are wrapped or unfolded.
 * @param {Element} scroller the scrolling element: the list itself, or one around it.
 * @param {string} label
 * @param {{first: () => number, end: () => number, at: (index) => object}} items from `first` to before `end`.
 * @param {(item, index) => void} open is called for the entry that was chosen.
 */
export class Rows {
  constructor(scroller, label, items, open) {
    this.scroller = scroller;
    this.items = items;
    this.open = open;
    this.slots = [];
    this.offsets = new Offsets();
    this.unfolded = new Set(); // indexes
    this.columns = USUAL;
    this.wrapped = false;
    this.marks = new Marks();
    this.first = 0; // of the last drawing
    this.chosen = null; // an index
    this.marked = null; // the index of an entry that stands out
    this.heads = el("div", { class: "heads", "aria-hidden": "true", hidden: true });
    this.element = el("div", { class: "rows", role: "listbox", tabindex: 0, "aria-label": label });
    this.element.addEventListener("click", (event) => this.#click(event));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.abort = new AbortController();
    scroller.addEventListener("scroll", () => this.draw({ at_end: this.at_end && this.#nearEnd() }), { signal: this.abort.signal, passive: true });
    this.sizes = new ResizeObserver(() => this.#resized());
    this.sizes.observe(scroller);
    this.sizes.observe(this.element);
    this.#shape();
  }

  get rowHeight() {
    return PHONE.matches ? PHONE_ROW_PX : ROW_PX;
  }

  /** Show these columns, long lines wrapped or not. */
  look({ columns, wrapped }) {
    [this.columns, this.wrapped] = [columns, wrapped];
    this.#shape();
    this.offsets.clear();
    this.draw({ at_end: this.at_end });
  }

  /** Mark what this query looks for. */
  mark(query) {
    this.marks = new Marks(query);
    for (const row of this.slots) row.item = null;
  }

  /** Forget what was chosen and unfolded: the entries are others. */
  reset() {
    this.chosen = this.marked = null;
    this.unfolded.clear();
    this.offsets.clear();
    this.first = this.items.first();
  }

  /** Update the visible rows. `at_end`: show the last ones. */
  draw({ at_end = false } = {}) {
    const [first, end] = [this.items.first(), this.items.end()];
    this.at_end = at_end;
    this.offsets.base = this.rowHeight;
    const moved = this.offsets.top(first, this.first);
    this.first = first;
    this.offsets.prune(first);
    for (let pass = 0; pass < PASSES; pass += 1) {
      this.element.style.height = `${this.offsets.top(end, first)}px`;
      if (at_end) this.scroller.scrollTop = this.scroller.scrollHeight;
      // Rows before the visible ones were removed or added: the visible rows stay in place.
      else if (moved && !pass) this.scroller.scrollTop -= moved;
      const within = this.#within();
      const top = Math.max(0, this.scroller.scrollTop - within);
      const seen = this.offsets.at(top, first, end);
      const from = Math.max(first, seen - SPARE_ROWS);
      const to = Math.min(end, this.offsets.at(top + this.scroller.clientHeight, first, end) + 1 + SPARE_ROWS);
      this.#fill(from, to, first);
      if (!this.wrapped && !this.unfolded.size) break;
      const before = this.offsets.top(seen, first);
      if (!this.#measure(from, to)) break;
      if (!at_end && top) this.scroller.scrollTop += this.offsets.top(seen, first) - before;
    }
  }

  close() {
    this.abort.abort();
    this.sizes.disconnect();
  }

  /** Return whether the last drawing, at the end, is still where the user is. */
  #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < this.rowHeight;
  }

  /** The distance from the top of the scrolled content to the list, px. */
  #within() {
    if (this.element === this.scroller) return 0;
    return this.element.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top + this.scroller.scrollTop;
  }

  /** The elements of rows for these columns. */
  #shape() {
    this.element.classList.toggle("wrapped", this.wrapped);
    for (const box of [this.element, this.heads]) box.style.setProperty("--columns", gridOf(this.columns));
    this.heads.hidden = this.columns.every((name) => USUAL.includes(name));
    this.heads.replaceChildren(el("span"), ...this.columns.map((name) => el("span", { class: USUAL.includes(name) ? name : "field-cell" }, name)));
    this.slots = [];
    this.element.replaceChildren();
  }

  /** The window or the panel next to the list changed: lines may be wrapped elsewhere. */
  #resized() {
    const width = this.element.clientWidth;
    if (width !== this.width && (this.wrapped || this.unfolded.size)) this.offsets.clear();
    this.width = width;
    this.draw({ at_end: this.at_end });
  }

  #fill(from, to, first) {
    const wanted = Math.max(0, to - from);
    this.#resize(wanted);
    for (let index = from; index < to; index += 1) {
      this.#show(this.#slot(index), index, this.offsets.top(index, first));
    }
    if (wanted < this.slots.length) this.#hideOthers(from, to);
  }

  /** Measure the rows whose height depends on their text; returns whether one changed. */
  #measure(from, to) {
    let changed = false;
    for (let index = from; index < to; index += 1) {
      const row = this.#slot(index);
      const tall = this.wrapped || this.unfolded.has(index);
      if (this.offsets.set(index, tall ? Math.ceil(row.element.getBoundingClientRect().height) : this.rowHeight)) changed = true;
    }
    return changed;
  }

  /** The elements of rows, at most as many as are visible; they are reused. */
  #resize(wanted) {
    if (wanted <= this.slots.length && wanted > this.slots.length / 4) return;
    if (!wanted && !this.slots.length) return;
    this.slots = Array.from({ length: Math.max(wanted, 1) }, () => this.#makeRow());
    this.element.replaceChildren(...this.slots.map((row) => row.element));
  }

  /** The slot of a row; indexes may be negative. */
  #slot(index) {
    const count = this.slots.length;
    return this.slots[((index % count) + count) % count];
  }

  #makeRow() {
    const row = { element: el("div", { class: "row", role: "option", hidden: true }), item: null, index: -1, top: -1 };
    row.fold = el("span", { class: "fold", title: "Unfold (→)", "aria-hidden": "true" });
    row.cells = this.columns.map((name) => el("span", { class: USUAL.includes(name) ? name : "field-cell" }));
    row.note = el("span", { class: "message" });
    row.rest = el("span", { class: "rest" }, row.cells.filter((cell, place) => !USUAL.includes(this.columns[place]) || REST.includes(this.columns[place])));
    return row;
  }

  #hideOthers(from, to) {
    for (const row of this.slots) {
      if (row.index >= from && row.index < to) continue;
      row.element.hidden = true;
      row.item = null;
    }
  }

  #show(row, index, top) {
    const item = this.items.at(index);
    if (row.top !== top) {
      row.element.style.transform = `translateY(${top}px)`;
      row.top = top;
    }
    const selected = String(index === this.chosen);
    if (row.element.getAttribute("aria-selected") !== selected) row.element.setAttribute("aria-selected", selected);
    const unfolded = this.unfolded.has(index);
    if (row.item === item && row.index === index && row.unfolded === unfolded) return;
    Object.assign(row, { item, index, unfolded });
    row.element.hidden = false;
    row.element.dataset.index = index;
    row.element.id = `row-${index}`;
    this.#write(row, item, unfolded);
  }

  #write(row, item, unfolded) {
    if (item.note) {
      row.element.className = "row note-row";
      setText(row.note, item.note);
      row.element.replaceChildren(row.note);
      return;
    }
    const marked = row.index === this.marked ? " marked" : "";
    row.element.className = `row level-${levelClass(item.level)}${unfolded ? " unfolded" : ""}${marked}`;
    this.columns.forEach((name, place) => {
      const text = cellText(item, name);
      const pattern = ["time", "level", "source"].includes(name) ? null : this.marks.of(name);
      if (pattern) row.cells[place].replaceChildren(...pieces(text, pattern));
      else setText(row.cells[place], text);
      if (name === "time") row.cells[place].title = `${item.time}${item.wrong_clock ? " (the sender’s clock is wrong)" : ""}${item.time_from === "uptime" ? " (from the device’s uptime)" : ""}, received ${item.received_at}`;
      if (name === "source") row.cells[place].title = `${item.listener} ${item.source}`;
      if (row.cells[place].classList.contains("field-cell")) row.cells[place].title = `${name}: ${text}`;
    });
    const front = row.cells.filter((cell) => cell.parentElement !== row.rest);
    const more = unfolded ? [el("span", { class: "unfold" }, pieces(unfoldedText(item), this.marks.of("message")))] : [];
    row.element.replaceChildren(row.fold, ...front, row.rest, ...more);
  }

  #click(event) {
    const element = event.target.closest(".row");
    if (!element || getSelection().toString()) return;
    const index = Number(element.dataset.index);
    if (event.target.closest(".fold")) this.#fold(index, !this.unfolded.has(index));
    else if (!event.target.closest(".unfold")) this.choose(index);
  }

  /** Unfold a row in place, or fold it. */
  #fold(index, unfold) {
    if (this.items.at(index)?.note || this.unfolded.has(index) === unfold) return;
    if (unfold) this.unfolded.add(index);
    else this.unfolded.delete(index);
    if (!unfold) this.offsets.set(index, this.rowHeight);
    this.draw();
  }

  /** Choose a row, and open it. */
  choose(index) {
    if (index < this.items.first() || index >= this.items.end()) return;
    const item = this.items.at(index);
    if (item.note) return;
    this.chosen = index;
    this.reveal(index);
    this.draw();
    this.element.setAttribute("aria-activedescendant", `row-${index}`);
    this.open(item, index);
  }

  /** Scroll as far as a row needs to be visible; `middle`: to the middle. */
  reveal(index, { middle = false } = {}) {
    const first = this.items.first();
    const top = this.#within() + this.offsets.top(index, first);
    const bottom = this.#within() + this.offsets.top(index + 1, first);
    const { scrollTop, clientHeight } = this.scroller;
    if (middle) this.scroller.scrollTop = (top + bottom - clientHeight) / 2;
    else if (top < scrollTop) this.scroller.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.scroller.scrollTop = bottom - clientHeight;
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    const unfold = { ArrowRight: true, ArrowLeft: false }[event.key];
    if (unfold !== undefined && this.chosen !== null) this.#fold(this.chosen, unfold);
    else if (step && this.chosen !== null) this.choose(this.chosen + step);
    else if (step || (event.key === "Enter" && this.chosen === null)) this.choose(this.#firstVisible());
    else if (event.key === "Enter") this.choose(this.chosen);
    else return;
    event.preventDefault();
  }

  #firstVisible() {
    const [first, end] = [this.items.first(), this.items.end()];
    const top = Math.max(0, this.scroller.scrollTop - this.#within());
    const index = this.offsets.at(top, first, end);
    return this.offsets.top(index, first) < top ? index + 1 : index;
  }
}

// A virtual list, in which only the visible rows exist, and the rows of log entries.

import { el, setText } from "/static/dom.js";
import { clock, levelClass, moment } from "/static/format.js";
import { senderOf, summaryOf } from "/static/sender.js";

const SPARE_ROWS = 6; // above and below: scrolling by a little shows no blanks
const PHONE = matchMedia("(max-width: 44rem)");
const ROW_PX = 24;
const PHONE_ROW_PX = 46; // two lines, and room for a finger

/**
 * A virtual list. All rows have the same height, so that many entries are cheap.
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
    this.chosen = null; // an index
    this.element = el("div", { class: "rows", role: "listbox", tabindex: 0, "aria-label": label });
    this.element.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row && !getSelection().toString()) this.choose(Number(row.dataset.index));
    });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.abort = new AbortController();
    scroller.addEventListener("scroll", () => this.draw(), { signal: this.abort.signal, passive: true });
    addEventListener("resize", () => this.draw(), { signal: this.abort.signal });
  }

  get rowHeight() {
    return PHONE.matches ? PHONE_ROW_PX : ROW_PX;
  }

  /** Update the visible rows. */
  draw() {
    const [first, end, height] = [this.items.first(), this.items.end(), this.rowHeight];
    this.element.style.height = `${(end - first) * height}px`;
    const within = this.element === this.scroller ? 0 : this.element.offsetTop - this.scroller.offsetTop;
    const top = this.scroller.scrollTop - within;
    const from = Math.max(first, first + Math.floor(top / height) - SPARE_ROWS);
    const to = Math.min(end, first + Math.ceil((top + this.scroller.clientHeight) / height) + SPARE_ROWS);
    const wanted = Math.max(0, to - from);
    this.#resize(wanted);
    for (let index = from; index < to; index += 1) {
      this.#show(this.slots[index % this.slots.length], index, (index - first) * height);
    }
    if (wanted < this.slots.length) this.#hideOthers(from, to);
  }

  close() {
    this.abort.abort();
  }

  /** The elements of rows, at most as many as are visible; they are reused. */
  #resize(wanted) {
    if (wanted <= this.slots.length && wanted > this.slots.length / 4) return;
    if (!wanted && !this.slots.length) return;
    this.slots = Array.from({ length: Math.max(wanted, 1) }, () => {
      const row = { element: el("div", { class: "row", role: "option" }), item: null, index: -1, top: -1 };
      row.cells = ["time", "level", "source", "message"].map((name) => el("span", { class: name }));
      row.element.append(...row.cells);
      row.element.hidden = true;
      return row;
    });
    this.element.replaceChildren(...this.slots.map((row) => row.element));
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
    if (row.item === item && row.index === index) return;
    [row.item, row.index] = [item, index];
    row.element.hidden = false;
    row.element.dataset.index = index;
    row.element.id = `row-${index}`;
    fill(row, item);
  }

  /** Choose a row, and open it. */
  choose(index) {
    if (index < this.items.first() || index >= this.items.end()) return;
    const item = this.items.at(index);
    if (item.note) return;
    this.chosen = index;
    this.#reveal(index);
    this.draw();
    this.element.setAttribute("aria-activedescendant", `row-${index}`);
    this.open(item, index);
  }

  #reveal(index) {
    const within = this.element === this.scroller ? 0 : this.element.offsetTop - this.scroller.offsetTop;
    const top = within + (index - this.items.first()) * this.rowHeight;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.scroller.scrollTop = top + this.rowHeight - clientHeight;
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    if (step && this.chosen !== null) this.choose(this.chosen + step);
    else if (step || (event.key === "Enter" && this.chosen === null)) this.choose(this.#firstVisible());
    else if (event.key === "Enter") this.choose(this.chosen);
    else return;
    event.preventDefault();
  }

  #firstVisible() {
    const within = this.element === this.scroller ? 0 : this.element.offsetTop - this.scroller.offsetTop;
    return this.items.first() + Math.max(0, Math.ceil((this.scroller.scrollTop - within) / this.rowHeight));
  }
}

function fill(row, item) {
  const [time, level, source, message] = row.cells;
  if (item.note) {
    row.element.className = "row note-row";
    for (const cell of [time, level, source]) setText(cell, "");
    setText(message, item.note);
    return;
  }
  row.element.className = `row level-${levelClass(item.level)}`;
  const at = item.by_arrival ? item.received_at : item.time;
  setText(time, `${item.dated ? moment(at) : clock(at)}${item.wrong_clock ? " ⚠" : ""}`);
  setText(level, item.level || "–");
  setText(source, senderOf(item));
  setText(message, summaryOf(item));
  time.title = `${item.time}${item.wrong_clock ? " (the sender’s clock is wrong)" : ""}, received ${item.received_at}`;
  source.title = `${item.listener} ${item.source}`;
}

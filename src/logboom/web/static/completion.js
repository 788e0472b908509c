// Completion of a query: names of fields, and their values, for a combobox.

import { read } from "/static/api.js";
import { condition } from "/static/conditions.js";
import { el, freshId } from "/static/dom.js";
import { compact } from "/static/format.js";

const VALUES = 50;
const SHOWN_MAX = 12;
const WAIT_MS = 120; // a fast typist asks for the last word only
const FIELDS_KNOWN_MAX = 50; // fields whose values are remembered
const ALWAYS = ["level", "source", "listener", "message"];
const VALUE = /(?:^|[\s(])-?((?:"(?:[^"\\]|\\.)+")|[\p{L}_@$][^\s()":=<>~*]*)(?::=?|=)("[^"]*|[^\s()"<>~]*)$/u;
const NAME = /(?:^|[\s(])-?([\p{L}_@$][^\s()":=<>~*]*)$/u;

/** The unfinished condition before the cursor: `{field, part, from}`, with the field of a value, or null. */
export function unfinished(text) {
  const value = VALUE.exec(text);
  if (value) {
    const [whole, field, part] = value;
    const from = value.index + whole.search(/[^\s(-]/);
    return { field: field.replace(/^"|"$/g, ""), part: part.replace(/^"/, ""), from };
  }
  if ((text.match(/"/g)?.length ?? 0) % 2) return null; // inside a phrase
  const name = NAME.exec(text);
  return name && { field: null, part: name[1], from: text.length - name[1].length };
}

export class Completion {
  /** @param {HTMLInputElement} input its parent has the list. */
  constructor(input) {
    this.input = input;
    this.range = {}; // of the API
    this.names = new Map(); // field: number of entries
    this.values = new Map(); // field: [{value, count}]
    this.options = [];
    this.active = -1;
    this.list = el("ul", { class: "completion", role: "listbox", id: freshId("completion"), "aria-label": "Completions", hidden: true });
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id })) {
      input.setAttribute(name, value);
    }
    input.after(this.list);
    input.addEventListener("input", () => this.#soon());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.#hide());
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the input keeps the focus
      const row = event.target.closest("li");
      if (row) this.#take(this.options[Number(row.dataset.place)]);
    });
  }

  /** Offer what entries of this range have, a query of the API without `q`. */
  set(range) {
    const { since, until, by, source, level, listener } = range;
    this.range = { since, until, by, source, level, listener };
    this.values.clear();
    this.stale = true;
  }

  /** Facets that were loaded for the list next to the results. */
  know(facets) {
    for (const facet of facets) this.names.set(facet.field, facet.count);
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#offer(), WAIT_MS);
  }

  async #offer({ asked = false } = {}) {
    const wanted = unfinished(this.input.value.slice(0, this.input.selectionStart)) ?? (asked ? { field: null, part: "", from: this.input.selectionStart } : null);
    const mine = (this.offering = {});
    if (!wanted) return this.#hide();
    const options = await (wanted.field === null ? this.#names() : this.#valuesOf(wanted.field));
    if (mine !== this.offering || document.activeElement !== this.input) return;
    const part = wanted.part.toLowerCase();
    const found = options.filter((one) => one.text.toLowerCase().includes(part));
    found.sort((one, other) => other.text.toLowerCase().startsWith(part) - one.text.toLowerCase().startsWith(part));
    this.#show(found.slice(0, SHOWN_MAX).map((one) => ({ ...one, field: wanted.field, from: wanted.from })));
  }

  /** The names of all fields, as far as they are known. */
  async fields() {
    if (this.stale) {
      this.stale = false;
      await this.#quietly("/api/facets", { limit: 1 }, (found) => this.know(found.facets));
      await this.#quietly("/api/fields", {}, (found) => this.know(found.fields.map(({ name, count }) => ({ field: name, count }))));
    }
    return [...new Set([...ALWAYS, ...this.names.keys()])];
  }

  async #names() {
    return (await this.fields()).map((text) => ({ text, count: this.names.get(text) }));
  }

  async #valuesOf(field) {
    if (!this.values.has(field)) {
      if (this.values.size >= FIELDS_KNOWN_MAX) this.values.clear();
      this.values.set(field, []);
      await this.#quietly("/api/facets", { field, limit: VALUES }, (found) => {
        const facet = found.facets.find((one) => one.field === field);
        this.values.set(field, (facet?.values ?? []).map(({ value, count }) => ({ text: String(value), value, count })));
      });
    }
    return this.values.get(field) ?? [];
  }

  /** Without an answer there is no completion; the query works without. */
  async #quietly(path, parameters, take) {
    try {
      take(await read(path, { ...this.range, ...parameters }));
    } catch {
      // the state of the server is in the head
    }
  }

  #show(options) {
    this.options = options;
    this.active = -1;
    this.input.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(...options.map((one, place) =>
      el("li", { role: "option", id: `${this.list.id}-${place}`, "aria-selected": "false", data: { place } },
        el("span", {}, one.text || "(empty)"), el("span", { class: "size" }, one.count === undefined ? "" : compact(one.count)))));
    this.list.hidden = !options.length;
    this.input.setAttribute("aria-expanded", String(options.length > 0));
  }

  #hide() {
    clearTimeout(this.timer);
    this.offering = null;
    this.#show([]);
  }

  #key(event) {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" && !open) this.#offer({ asked: true });
    else if (!open) return;
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") this.#move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Escape") this.#hide();
    else if ((event.key === "Enter" || event.key === "Tab") && this.active >= 0) this.#take(this.options[this.active]);
    else {
      if (event.key === "Enter") this.#hide();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  #move(step) {
    const count = this.options.length;
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = this.active < 0 && step < 0 ? count - 1 : (this.active + step + count) % count;
    const row = this.list.children[this.active];
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", row.id);
  }

  /** Put a completion in place of the unfinished condition. */
  #take({ field, text, value, from }) {
    const { value: query, selectionStart } = this.input;
    const name = /^[\p{L}_@$][^\s()":=<>~*]*$/u.test(text) ? text : `"${text}"`;
    const rest = query.slice(selectionStart).replace(/^[^\s()]*/, field === null ? "" : "$&");
    const added = field === null ? `${name}:` : `${condition(field, value)} `;
    this.input.value = `${query.slice(0, from)}${added}${rest.trimStart()}`;
    const end = from + added.length;
    this.input.setSelectionRange(end, end);
    this.#hide();
    if (field === null) this.#offer();
    else this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

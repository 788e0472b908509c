// Completion of a query: names of fields, and their values.

import { read } from "/static/api.js";
import { condition } from "/static/conditions.js";
import { Suggestions } from "/static/suggestions.js";

const VALUES = 50;
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

export class Completion extends Suggestions {
  constructor(input) {
    super(input);
    this.range = {}; // of the API
    this.names = new Map(); // field: number of entries
    this.values = new Map(); // field: [{value, count}]
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

  async find(before, asked) {
    const wanted = unfinished(before) ?? (asked ? { field: null, part: "", from: before.length } : null);
    if (!wanted) return null;
    const options = await (wanted.field === null ? this.#names() : this.#valuesOf(wanted.field));
    return { ...wanted, options: options.map((one) => ({ ...one, field: wanted.field })) };
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

  /** Put a completion in place of the unfinished condition. */
  take({ field, text, value, from }) {
    const { value: query, selectionStart } = this.input;
    const name = /^[\p{L}_@$][^\s()":=<>~*]*$/u.test(text) ? text : `"${text}"`;
    const rest = query.slice(selectionStart).replace(/^[^\s()]*/, field === null ? "" : "$&");
    const added = field === null ? `${name}:` : `${condition(field, value)} `;
    this.input.value = `${query.slice(0, from)}${added}${rest.trimStart()}`;
    const end = from + added.length;
    this.input.setSelectionRange(end, end);
    this.hide();
    if (field === null) this.offer();
    else this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

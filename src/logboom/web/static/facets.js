// Facets: the fields of the found entries with their most frequent values; a click narrows or excludes.

import { read } from "/static/api.js";
import { condition } from "/static/conditions.js";
import { el, setText } from "/static/dom.js";
import { joinedFacets } from "/static/facetparts.js";
import { compact, counted, percent, value as short } from "/static/format.js";
import { millisecondsOf, time } from "/static/units.js";

const VALUES = 6;
const VALUES_OF_PART = 100; // values of each field in a part that is joined with others
const MORE_SECONDS = 15; // of counting, where the usual second was not enough
const OPEN_FIELDS = 6;
const ALL_DIFFERENT_MIN = 20; // from this many values on, a list of single ones is no help
const WIDE = matchMedia("(min-width: 62rem)");

export class FacetPanel {
  /**
   * @param {(condition: string) => void} choose is called with the condition that was clicked.
   * @param {(facets: Array<{field: string, count: number}>) => void} found is called with each answer.
   */
  constructor(choose, found = () => {}) {
    this.choose = choose;
    this.found = found;
    this.folded = new Map(); // field: opened or closed by the user
    this.note = el("p", { class: "soft small", role: "status" });
    this.list = el("div");
    this.element = el("details", { class: "facets", open: WIDE.matches, on: { toggle: () => this.#load() } },
      el("summary", {}, "Fields"), this.note, this.list);
  }

  /** Show the facets of a query of the API. */
  show(query, signal) {
    this.wanted = { query, signal, newer: null };
    return this.#load();
  }

  async #load() {
    if (!this.wanted || !this.element.open) return;
    const { query, signal, newer } = this.wanted;
    this.wanted = null;
    if (!this.list.childElementCount || query.seconds) setText(this.note, "Counting …");
    try {
      const part = await read("/api/facets", { limit: VALUES, ...query }, signal);
      const found = newer ? joinedFacets(newer, part) : part;
      this.found(found.facets);
      this.list.replaceChildren(...found.facets.map((facet, place) => this.#field(facet, place < OPEN_FIELDS)));
      const newest = found.complete ? "" : ` the newest (${percent(found.progress)} of the range)`;
      setText(this.note, `Of${newest} ${counted(found.entries, "entry", "entries")}`);
      if (!found.complete) this.note.append(" ", this.#more(query, signal, found));
    } catch (error) {
      if (error.name === "AbortError") return;
      setText(this.note, error.message);
      if (newer) this.note.append(" ", this.#more(query, signal, newer));
    }
  }

  /** A button that counts more: again for longer after the usual second, and from then on the part before. */
  #more(query, signal, found) {
    const title = `Count for up to ${MORE_SECONDS} seconds`;
    const longer = { ...query, limit: VALUES_OF_PART, seconds: MORE_SECONDS };
    const next = query.seconds ? { query: { ...longer, before: found.before }, newer: found } : { query: longer, newer: null };
    const goOn = () => {
      this.wanted = { ...next, signal };
      this.#load();
    };
    return el("button", { type: "button", class: "quiet", title, on: { click: goOn } }, query.seconds ? "Go on" : "Count more");
  }

  #field(facet, open) {
    const many = facet.distinct >= ALL_DIFFERENT_MIN && facet.values[0]?.count === 1;
    const size = `${facet.distinct_exact ? "" : "~"}${compact(facet.distinct)}`;
    return el("details", { class: "facet", open: this.folded.get(facet.field) ?? (open && !many) },
      el("summary", { on: { click: (event) => this.folded.set(facet.field, !event.currentTarget.parentElement.open) }, title: `${counted(facet.count, "entry", "entries")}, ${counted(facet.distinct, "value")}` },
        el("span", { class: "facet-name" }, facet.field), el("span", { class: "size" }, size)),
      facet.numbers && numbers(facet.field, facet.numbers),
      many ? null : el("ul", {}, facet.values.slice(0, VALUES).map((one) => this.#value(facet, one))));
  }

  #value({ field, values_exact }, { value: shown, count }) {
    const text = condition(field, shown);
    const press = (chosen, name, label) => el("button", { type: "button", class: name, title: chosen, "aria-label": label, on: { click: () => this.choose(chosen) } });
    const only = press(text, "facet-value", `Only ${field} ${shown}`);
    const number = `${values_exact ? "" : "≥ "}${compact(count)}`;
    only.append(el("span", { class: "facet-text" }, String(shown) || "(empty)"), el("span", { class: "size" }, number));
    const not = press(`-${text}`, "quiet facet-not", `Exclude ${field} ${shown}`);
    not.append("−");
    return el("li", {}, only, not);
  }
}

function numbers(field, { min, p50, p99, max, exact }) {
  const about = exact ? "" : "~";
  const factor = millisecondsOf(field);
  const value = (number) => (factor ? time(number * factor) : short(number));
  const pairs = [["min", value(min)], ["p50", about + value(p50)], ["p99", about + value(p99)], ["max", value(max)]];
  return el("dl", { class: "facet-numbers" }, pairs.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))));
}

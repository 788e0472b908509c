// Search: the journal by text, level, source, listener and time; what is shown can be downloaded.

import { address, read, serverNow } from "/static/api.js";
import { curlLine, el, empty, setText } from "/static/dom.js";
import { closeEntry, openEntry } from "/static/entry.js";
import { FilterForm, RANGES, toIso, toLocal } from "/static/filters.js";
import { count, counted } from "/static/format.js";
import { go } from "/static/route.js";
import { Rows } from "/static/rows.js";
import { VolumeChart } from "/static/volume.js";

export const title = "Search";

const PAGE = 200;
const SHOWN_MAX = 20_000; // entries in the browser's memory; the download has all
const BUCKETS = 60;
const ROUNDS_MAX = 20; // of asking on for what was not all counted: the server goes on where it was
const DEFAULT_RANGE = "1h";
const FILTERS = ["q", "level", "source", "listener"];
const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** What the address says, as the API takes it; `since` stays relative. */
function filtersOf(parameters) {
  const chosen = Object.fromEntries(FILTERS.map((name) => [name, parameters.get(name) ?? ""]));
  const [since, until] = [parameters.get("since") ?? "", parameters.get("until") ?? ""];
  return { ...chosen, since: since || until ? since : DEFAULT_RANGE, until };
}

/** The form's values for these filters. */
function formOf({ since, until, ...chosen }) {
  const preset = !until && (since === "all" || RANGES.some(([name]) => name === since));
  return { ...chosen, range: preset ? since : "own", from: preset ? "" : toLocal(since), to: preset ? "" : toLocal(until) };
}

/** A fixed time range, by the server's clock: list, histogram and download are of the same entries. */
async function fixedRange({ since, until, ...chosen }, signal) {
  const ago = /^(\d+)([smhdw])$/.exec(since);
  const end = until || new Date(serverNow()).toISOString();
  if (ago) return { since: new Date(Date.parse(end) - Number(ago[1]) * UNIT_MS[ago[2]]).toISOString(), until: end };
  if (since && since !== "all") return { since, until: end };
  const { entries } = await read("/api/entries", { ...chosen, limit: 1, after: -1 }, signal);
  return { since: entries[0]?.received_at ?? new Date(Date.parse(end) - UNIT_MS.h).toISOString(), until: end };
}

class SearchView {
  constructor(root, parameters) {
    this.found = [];
    this.form = new FilterForm("Search", ["q", "level", "source", "listener", "range", "from", "to"],
      (values, { typing }) => this.#asked(values, typing));
    this.form.element.append(el("button", { type: "submit", class: "primary" }, "Search"));
    this.volume = new VolumeChart(({ from, to }) => {
      this.#go({ since: new Date(from * 1000).toISOString(), until: new Date(to * 1000).toISOString() }, false);
    });
    this.summary = el("span", { role: "status", class: "summary" });
    this.csv = el("a", { class: "button", download: true }, "CSV");
    this.jsonl = el("a", { class: "button", download: true }, "JSONL");
    this.exports = el("span", { class: "exports" }, "Download ", this.csv, this.jsonl);
    this.older = el("button", { type: "button", hidden: true, on: { click: () => this.#older() } }, "Older");
    const items = { first: () => 0, end: () => this.found.length, at: (index) => this.found[index] };
    this.rows = new Rows(root, "Found entries, newest first", items, (item) => openEntry(item, "search"));
    this.nothing = empty("Nothing was found in this time range.", el("p", {}, "Choose a longer range, or send an entry:"), curlLine());
    this.nothing.hidden = true;
    this.more = el("p", { class: "more" }, this.older);
    root.replaceChildren(el("h2", { class: "unseen" }, "Search"), this.form.element, this.volume.element,
      el("p", { class: "status-line" }, this.summary, this.exports), this.rows.element, this.nothing, this.more);
    this.update(parameters);
  }

  update(parameters) {
    this.filters = filtersOf(parameters);
    const values = formOf(this.filters);
    this.form.set(values);
    this.#showOwn(values.range === "own");
    this.#run();
  }

  close() {
    this.abort?.abort();
    this.rows.close();
    this.volume.close();
  }

  #showOwn(shown) {
    for (const name of ["from", "to"]) this.form.controls[name].closest(".field").hidden = !shown;
  }

  #asked({ range, from, to, ...chosen }, typing) {
    if (range === "own" && !from && !to) { // chosen just now: start from what is shown
      this.#showOwn(true);
      this.form.set({ ...chosen, range, from: toLocal(this.range?.since), to: toLocal(this.range?.until) });
      this.form.controls.from.focus();
      return;
    }
    const times = range === "own" ? { since: toIso(from), until: toIso(to) } : { since: range === DEFAULT_RANGE ? "" : range };
    const before = location.hash;
    this.#go({ ...chosen, ...times }, typing);
    if (location.hash === before && !typing) this.#run(); // the same again, later: there may be more
  }

  #go(changes, replace) {
    const chosen = Object.fromEntries(FILTERS.map((name) => [name, this.filters[name]]));
    go("search", { ...chosen, ...changes }, { replace });
  }

  async #run() {
    this.abort?.abort();
    const { signal } = (this.abort = new AbortController());
    setText(this.summary, "Searching …");
    try {
      const range = await fixedRange(this.filters, signal);
      this.range = range;
      this.query = { ...this.filters, ...range };
      this.csv.href = address("/api/export.csv", this.query);
      this.jsonl.href = address("/api/export.jsonl", this.query);
      this.total = null;
      await Promise.all([this.#firstPage(signal), this.#count(signal)]);
    } catch (error) {
      if (error.name === "AbortError") return;
      setText(this.summary, error.message);
      this.found = [];
      this.#show();
    }
  }

  async #firstPage(signal) {
    const page = await read("/api/entries", { ...this.query, limit: PAGE }, signal);
    closeEntry();
    this.rows.chosen = null;
    this.found = [];
    this.#take(page);
  }

  async #count(signal) {
    try {
      for (let round = 0; round < ROUNDS_MAX && !this.total?.complete; round += 1) {
        this.total = await read("/api/volume", { ...this.query, buckets: BUCKETS }, signal);
        this.volume.set(this.total);
        this.#sum();
      }
    } catch (error) {
      if (error.name === "AbortError") throw error; // without a histogram there is still a list
    }
  }

  async #older() {
    this.older.disabled = true;
    try {
      this.#take(await read("/api/entries", { ...this.query, limit: PAGE, before: this.before }, this.abort.signal));
    } catch (error) {
      if (error.name !== "AbortError") setText(this.summary, error.message);
    } finally {
      this.older.disabled = false;
    }
  }

  #take(page) {
    for (const entry of page.entries) this.found.push({ ...entry, dated: true });
    this.before = page.before;
    this.goes_on = page.more;
    this.#show();
  }

  #show() {
    const full = this.found.length >= SHOWN_MAX;
    this.older.hidden = !this.goes_on || !this.found.length && !this.before || full;
    this.nothing.hidden = this.found.length > 0 || Boolean(this.goes_on);
    this.rows.element.hidden = !this.found.length;
    this.rows.draw();
    this.#sum();
  }

  #sum() {
    const shown = this.found.length;
    const all = this.total?.complete ? this.total.total : null;
    if (all !== null && all >= shown) setText(this.summary, `${counted(all, "entry", "entries")}${all > shown ? `, the newest ${count(shown)} shown` : ""}`);
    else setText(this.summary, `${this.goes_on ? "The newest " : ""}${counted(shown, "entry", "entries")}`);
    setText(this.older, this.found.length ? "Older" : "Search further back");
  }
}

/** Show the search. */
export const show = (root, parameters) => new SearchView(root, parameters);

// Search: the journal by text, level, source, listener and time; the result can be downloaded.

import { read, readEntries, serverNow } from "/static/api.js";
import { addressOf, askedOf, SHARED, sharedOf } from "/static/asking.js";
import { ColumnMenu } from "/static/columns.js";
import { curlLine, el, empty, setText } from "/static/dom.js";
import { closeEntry, openEntry } from "/static/entry.js";
import { ExportMenu } from "/static/exports.js";
import { FilterForm } from "/static/filters.js";
import { asQuery, narrowed } from "/static/conditions.js";
import { FacetPanel } from "/static/facets.js";
import { Finder } from "/static/finder.js";
import { count, counted, instant, percent } from "/static/format.js";
import { PatternList } from "/static/patterns.js";
import { QueryError } from "/static/queryerror.js";
import { ageOf, choiceOf, fixed } from "/static/ranges.js";
import { go, link } from "/static/route.js";
import { Rows } from "/static/rows.js";
import { savedMenu } from "/static/saved.js";
import { VolumeChart } from "/static/volume.js";
import { toIso, toLocal } from "/static/zone.js";

export const title = "Search";

const SHOWN_MAX = 20_000; // entries in the browser's memory; the download has all
const BUCKETS = 60;
const DEFAULT_RANGE = "1h";
const FILTERS = [...SHARED, "by"];
const HOUR_MS = 3_600_000;
const TABS = [["", "Entries"], ["patterns", "Patterns"]]; // `view` of the address

/** The filters of the address for the API; `since` stays relative. */
function filtersOf(parameters) {
  const chosen = { ...sharedOf(parameters), by: parameters.get("by") ?? "" };
  const [since, until] = [parameters.get("since") ?? "", parameters.get("until") ?? ""];
  return { ...chosen, since: since || until ? since : DEFAULT_RANGE, until };
}

/** The form's values for these filters. */
function formOf({ since, until, ...chosen }) {
  const { range, last } = choiceOf({ since, until });
  const own = range === "own";
  return { ...chosen, range, last, from: own ? toLocal(since) : "", to: own ? toLocal(until) : "" };
}

/**
 * A time range, by the server's clock, whose begin is fixed. `drawn` and `end` are those of the histogram: where there is
 * no begin, that of the journal's first entry. A range up to now has no end of its own: entries of a clock that is a
 * little fast are in the list.
 */
async function fixedRange(range, signal) {
  const { since, until } = fixed(range, serverNow());
  const end = until || new Date(serverNow()).toISOString();
  if (since) return { since, until, drawn: since, end };
  const { entries } = await readEntries({ limit: 1, after: -1 }, signal);
  const hourBefore = new Date(Date.parse(end) - HOUR_MS).toISOString();
  const first = [entries[0]?.received_at ?? hourBefore, entries[0]?.time ?? hourBefore].sort()[0];
  return { since: "", until, drawn: first, end };
}

class SearchView {
  constructor(root, parameters) {
    this.finder = new Finder({}, () => {});
    this.form = new FilterForm("Search", ["q", "level", "source", "listener", "range", "last", "by", "from", "to"],
      (values, { typing }) => this.#asked(values, typing));
    this.form.element.append(el("button", { type: "submit", class: "primary" }, "Search"));
    this.volume = new VolumeChart(({ from, to }) => {
      this.#go({ since: new Date(from * 1000).toISOString(), until: new Date(to * 1000).toISOString() }, false);
    });
    this.summary = el("span", { role: "status", class: "summary" });
    this.bar = el("progress", { max: 1, "aria-label": "Progress of the search" });
    this.stop = el("button", { type: "button", on: { click: () => this.#stop() } }, "Stop");
    this.progress = el("span", { class: "progress", hidden: true }, this.bar, this.stop);
    this.exports = new ExportMenu();
    this.alert = el("a", { class: "button make-alert" }, "Make an alert");
    this.older = el("button", { type: "button", hidden: true, on: { click: () => this.#older() } }, "Older");
    const items = { first: () => 0, end: () => this.finder.found.length, at: (index) => this.finder.found[index] };
    this.rows = new Rows(root, "Found entries, newest first", items, (item) => openEntry(item, "search"));
    this.menu = new ColumnMenu(() => this.rows.look(this.menu), () => this.form.completion.fields());
    this.rows.look(this.menu);
    this.saved = savedMenu(() => ({ columns: this.menu.text }));
    this.parts = el("p", { hidden: true }, "A plain word finds whole words only: ", el("code", {}, "*part*"), " finds it anywhere in a text.");
    this.nothing = empty("Nothing was found in this time range.", this.parts, el("p", {}, "Choose a longer range, or send an entry:"), curlLine());
    this.wrong = new QueryError(this.form.controls.q);
    this.nothing.hidden = true;
    this.more = el("p", { class: "more" }, this.older);
    this.facets = new FacetPanel((text) => this.#go({ ...this.#times(), q: narrowed(this.filters.q, text) }, false), (facets) => this.form.completion.know(facets));
    this.patterns = new PatternList();
    this.tabs = el("span", { class: "tabs", role: "group", "aria-label": "Show" }, TABS.map(([view, text]) =>
      el("button", { type: "button", data: { view }, on: { click: () => this.#go({ ...this.#times(), view }, false) } }, text)));
    this.listed = el("div", { class: "listed" }, this.rows.heads, this.rows.element, this.nothing, this.more);
    root.replaceChildren(el("h2", { class: "unseen" }, "Search"), this.form.element, this.wrong.element, this.volume.element,
      el("p", { class: "status-line" }, this.tabs, this.summary, this.progress, this.saved, this.menu.element, this.exports.element, this.alert),
      el("div", { class: "results" }, this.facets.element, this.listed, this.patterns.element));
    this.update(parameters);
  }

  /** Show the entries, or their patterns. */
  #showTab() {
    for (const tab of this.tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.view === this.view));
    this.patterns.element.hidden = this.view !== "patterns";
    this.listed.hidden = this.view === "patterns";
  }

  update(parameters) {
    this.view = parameters.get("view") === "patterns" ? "patterns" : "";
    this.filters = filtersOf(parameters);
    this.menu.set(parameters.get("columns"));
    const values = formOf(this.filters);
    this.form.set(values);
    this.#showTimes(values.range);
    this.#showTab();
    this.alert.href = link("alerts", { q: asQuery(this.filters) });
    this.alert.hidden = !asQuery(this.filters);
    this.#run();
  }

  close() {
    this.abort?.abort();
    this.finder.close();
    this.rows.close();
    this.volume.close();
  }

  /** Show the fields that a choice of the range needs. */
  #showTimes(range) {
    for (const [name, choice] of [["from", "own"], ["to", "own"], ["last", "last"]]) {
      this.form.controls[name].closest(".field").hidden = range !== choice;
    }
  }

  #asked({ range, last, from, to, ...chosen }, typing) {
    if ((range === "own" && !from && !to) || (range === "last" && ageOf(last) === null)) {
      this.#begin({ ...chosen, range, last });
      return;
    }
    const times = { own: { since: toIso(from), until: toIso(to) }, last: { since: last, until: "" } };
    const before = location.hash;
    this.#go({ ...chosen, ...(times[range] ?? { since: range === DEFAULT_RANGE ? "" : range, until: "" }) }, typing);
    if (location.hash === before && !typing) this.#run(); // the same again, later: there may be more
  }

  /** A range that was chosen just now, and is not complete: start from what is shown. */
  #begin(values) {
    this.#showTimes(values.range);
    if (values.range === "last") return this.form.controls.last.focus();
    this.form.set({ ...values, from: toLocal(this.range?.drawn), to: toLocal(this.range?.end) });
    return this.form.controls.from.focus();
  }

  /** The times of the address. */
  #times() {
    const { since, until } = this.filters;
    return { since: since === DEFAULT_RANGE ? "" : since, until };
  }

  #go(changes, replace) {
    const chosen = Object.fromEntries(FILTERS.map((name) => [name, this.filters[name]]));
    go("search", { ...addressOf({ ...chosen, ...changes }), view: changes.view ?? this.view, columns: this.menu.text }, { replace });
  }

  async #run() {
    this.abort?.abort();
    this.finder.close();
    const { signal } = (this.abort = new AbortController());
    setText(this.summary, "Searching …");
    this.wrong.point(null);
    this.parts.hidden = !this.filters.q || this.filters.q.includes("*");
    try {
      const { drawn, end, ...range } = (this.range = await fixedRange(this.filters, signal));
      const query = { ...askedOf(this.filters), ...range };
      this.asked = query.q;
      this.exports.set(query);
      this.counting = { ...query, since: drawn, until: end, buckets: BUCKETS };
      this.total = null;
      closeEntry();
      this.rows.reset();
      this.rows.mark(this.filters.q);
      this.form.completion.set(query);
      this.finder = new Finder(query, () => this.#show());
      this.facets.show(query, signal);
      if (this.view === "patterns") this.patterns.show(query, { ...addressOf(this.filters), ...this.#times() }, signal);
      await Promise.all([this.finder.more(), this.#count(signal)]);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.finder = new Finder({}, () => {});
      this.#show();
      this.older.hidden = true;
      this.wrong.point(error, this.asked);
      setText(this.summary, error.message);
    }
  }

  /** Count all entries, in several requests. */
  async #count(signal) {
    try {
      while (!this.total?.complete) {
        const total = await read("/api/volume", this.counting, signal);
        this.total = total;
        this.volume.set(total);
        this.#show();
      }
    } catch (error) {
      if (error.name === "AbortError") return; // without a histogram there is still a list
    }
  }

  #stop() {
    this.abort.abort();
    this.finder.stop();
  }

  #older() {
    const { signal } = (this.abort = new AbortController());
    this.finder.more();
    if (!this.total?.complete) this.#count(signal);
  }

  #show() {
    const { found, running, ended } = this.finder;
    const full = found.length >= SHOWN_MAX;
    this.progress.hidden = !running;
    this.bar.value = this.finder.share;
    this.older.hidden = running || ended || full;
    this.nothing.hidden = found.length > 0 || !ended;
    this.rows.element.hidden = !found.length;
    this.rows.draw();
    setText(this.summary, this.#sum());
    setText(this.older, this.finder.stopped || this.finder.trouble || !found.length ? "Search further back" : "Older");
  }

  /** Show the number of results, the total, and the progress. */
  #sum() {
    const { found, running, ended, stopped, trouble } = this.finder;
    const shown = found.length;
    const all = this.total?.complete ? this.total.total : null;
    if (ended) return entries(shown);
    const some = all !== null && all > shown ? `${count(shown)} of ${entries(all)}` : entries(shown);
    if (running && !shown && !this.finder.reached_at) return "Searching …";
    if (running) return `Searching, ${this.#reached("back to")}: ${some} so far`;
    if (trouble) return `Interrupted (${trouble}) ${this.#reached("at")}: ${some} so far`;
    if (stopped) return `Stopped ${this.#reached("at")}: ${some} so far`;
    return all !== null && all >= shown ? `${entries(all)}, the newest ${count(shown)} shown` : `The newest ${entries(shown)}`;
  }

  #reached(preposition) {
    const { reached_at, share } = this.finder;
    return reached_at ? `${preposition} ${instant(Date.parse(reached_at) / 1000, false)} (${percent(share)})` : "at the beginning";
  }
}

const entries = (number) => counted(number, "entry", "entries");

/** Show the search. */
export const show = (root, parameters) => new SearchView(root, parameters);

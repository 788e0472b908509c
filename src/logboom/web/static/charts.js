// Charts: numbers of entries over time, one chart per field, with a common cursor.

import { poll, read } from "/static/api.js";
import { parse } from "/static/exact.js";
import { command, el, empty, reconcile, setText } from "/static/dom.js";
import { labelled, setOptions } from "/static/filters.js";
import { ago, counted, exact, instant, percent } from "/static/format.js";
import { loadPlot, missingNote } from "/static/plot.js";
import { AGES } from "/static/ranges.js";
import { go } from "/static/route.js";
import { SeriesChart } from "/static/seriesplot.js";

export const title = "Charts";

const POLL_MS = 3000;
const LISTS_MS = 15_000;
const SOURCES_MAX = 200;
const POINTS = 400;
const FIELDS_MAX = 8; // charts at once
const DEFAULT_RANGE = "15m"; // what is drawn live moves visibly
/** Fields of sensors and devices that are shown first, by the last part of their name. */
const PREFERRED = ["temp", "rh", "lux", "irradiance", "heap_free"];
const UNIMPORTANT = ["boot_seq", "seq", "uptime_ms", "id", "timestamp", "ts", "time", "level"];

const lastPart = (name) => name.slice(name.lastIndexOf(".") + 1);

/** Key of a source: its name and listener, as two listeners may have the same address. */
const keyOf = (source, listener) => (source ? `${listener} ${source}` : "");
function parted(key) {
  const space = key.indexOf(" ");
  return { listener: key.slice(0, Math.max(0, space)), source: key.slice(space + 1) };
}

function defaultFields(fields) {
  const names = fields.map((field) => field.name);
  const preferred = PREFERRED.flatMap((wanted) => names.filter((name) => lastPart(name) === wanted));
  if (preferred.length) return preferred.slice(0, 4);
  return names.filter((name) => !UNIMPORTANT.includes(lastPart(name))).slice(0, 3);
}

/** A series with numeric times and shares; the values keep their digits. */
function plain(series) {
  const [since, until, progress] = [series.since, series.until, series.progress].map(Number);
  const boots = series.boots.map(({ time, boot_seq }) => ({ time: Number(time), boot_seq }));
  const gaps = series.gaps.map(({ from, to }) => ({ from: Number(from), to: Number(to) }));
  return { ...series, since, until, progress, times: series.times.map(Number), boots, gaps };
}

class Charts {
  constructor(root, parameters) {
    this.charts = new Map();
    this.source = el("select", { name: "source", on: { change: () => this.#choose({ ...parted(this.source.value), fields: [] }) } });
    this.range = el("select", { name: "range", on: { change: () => this.#choose({ since: this.range.value }) } },
      AGES.map(([name, text]) => el("option", { value: name }, text)));
    this.live = el("span", { class: "soft small", role: "status" });
    this.fields = el("fieldset", { class: "chips" }, el("legend", { class: "unseen" }, "Fields"));
    this.chips = el("div", { class: "chip-row" });
    this.fields.append(this.chips);
    this.box = el("div", { class: "charts-box" });
    this.nothing = empty("No numbers have come in this time range.", el("p", {}, "Choose another source or a longer range, or try it with a simulated sensor:"),
      command("logboom simulate sensor --count 0 --rate 1"));
    this.nothing.hidden = true;
    root.replaceChildren(el("h2", { class: "unseen" }, "Charts"),
      el("form", { class: "filters", "aria-label": "What to draw", on: { submit: (event) => event.preventDefault() } },
        labelled("Source", this.source, "wide"), labelled("Range", this.range), this.live),
      this.fields, this.box, this.nothing);
    this.update(parameters);
    loadPlot().then((uPlot) => this.#start(uPlot), () => this.box.replaceChildren(missingNote()));
  }

  update(parameters) {
    this.chosen = {
      source: parameters.get("source") ?? "",
      listener: parameters.get("listener") ?? "",
      since: parameters.get("since") || DEFAULT_RANGE,
      until: parameters.get("until") ?? "",
      fields: parameters.getAll("field").slice(0, FIELDS_MAX),
    };
    setOptions(this.range, AGES, this.chosen.until ? "" : this.chosen.since);
    if (this.chosen.until) this.range.selectedOptions[0].textContent = "fixed";
    this.available = null;
    this.nothing.hidden = true;
    this.lists?.now();
  }

  close() {
    this.closed = true;
    this.lists?.stop();
    this.drawing?.stop();
    for (const chart of this.charts.values()) chart.close();
  }

  #start(uPlot) {
    if (this.closed) return;
    this.uPlot = uPlot;
    this.lists = poll((signal) => this.#lists(signal), LISTS_MS);
    this.drawing = poll((signal) => this.#draw(signal), POLL_MS);
  }

  #choose(changes) {
    const { source, listener, since, until, fields } = { ...this.chosen, ...(changes.since ? { until: "" } : {}), ...changes };
    go("charts", { source, listener, since: since === DEFAULT_RANGE && !until ? "" : since, until, field: fields });
  }

  get #range() {
    return { source: this.chosen.source, listener: this.chosen.listener, since: this.chosen.since, until: this.chosen.until };
  }

  /** Load the names of sources and fields. */
  async #lists(signal) {
    try {
      const { sources } = await read("/api/sources", { limit: SOURCES_MAX }, signal).catch((error) => {
        if (error.name === "AbortError" || error.status === 0) throw error;
        return { sources: [] }; // the source of the address can be drawn without the list
      });
      if (!this.chosen.source && sources.length) {
        const best = /gateway|sensor/;
        const first = sources.find((one) => best.test(one.listener)) ?? sources.find((one) => /device/.test(one.listener)) ?? sources[0];
        Object.assign(this.chosen, { source: first.name, listener: first.listener });
      }
      sources.sort((one, other) => one.name.localeCompare(other.name) || one.listener.localeCompare(other.listener));
      const known = sources.map((one) => [keyOf(one.name, one.listener), `${one.name} (${one.listener}, ${ago(one.silent_s)})`]);
      const chosen = this.chosen.listener ? null : known.find(([key]) => parted(key).source === this.chosen.source)?.[0];
      const options = known.length || this.chosen.source ? known : [["", "none yet"]];
      setOptions(this.source, options, chosen ?? keyOf(this.chosen.source, this.chosen.listener));
      this.available = await this.#fields(signal);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      setText(this.live, error.message);
      return;
    }
    if (!this.chosen.fields.length) this.chosen.fields = defaultFields(this.available);
    this.#showChips();
    this.drawing?.now();
  }

  /** Load the fields of the newest entries that have any, in several requests: each is limited to some seconds. */
  async #fields(signal) {
    let answer = { fields: [], before: "" };
    do {
      answer = await read("/api/fields", { ...this.#range, before: answer.before }, signal, { parse });
      this.looked = answer.complete || answer.fields.length > 0;
      if (!this.looked && answer.reached_at) setText(this.live, `looking for numbers, back to ${instant(Date.parse(answer.reached_at) / 1000, false)} …`);
    } while (!this.looked);
    this.whole = answer.complete;
    return answer.fields;
  }

  #showChips() {
    const known = new Map(this.available.map((one) => [one.name, one]));
    const names = [...new Set([...this.chosen.fields, ...known.keys()])];
    reconcile(this.chips, names, (name) => name, (name) => {
      const box = el("input", { type: "checkbox", value: name, on: { change: () => this.#toggle(name, box.checked) } });
      return el("label", { class: "chip" }, box, el("span", {}, name));
    }, (chip, name) => {
      const box = chip.firstChild;
      box.checked = this.chosen.fields.includes(name);
      box.disabled = !box.checked && this.chosen.fields.length >= FIELDS_MAX;
      const one = known.get(name);
      const least = this.whole ? "" : "at least ";
      const none = this.whole ? "none in this time range" : "not seen yet";
      chip.title = one ? `${least}${counted(one.count, "value")}, ${exact(one.min)} to ${exact(one.max)}` : none;
    });
    this.fields.hidden = !names.length;
  }

  #toggle(name, on) {
    const fields = on ? [...this.chosen.fields, name] : this.chosen.fields.filter((one) => one !== name);
    if (fields.length) this.#choose({ fields });
    else this.#showChips(); // without any there is nothing to show
  }

  /** Draw; returns whether there is more to read. */
  async #draw(signal) {
    if (!this.available) return false;
    const fields = this.chosen.fields;
    this.nothing.hidden = fields.length > 0 || !this.whole;
    let series = { values: {} };
    if (fields.length) {
      try {
        const asked = { ...this.#range, field: fields, points: POINTS };
        series = plain(await read("/api/series", asked, signal, { parse }));
      } catch (error) {
        if (error.name === "AbortError") throw error;
        setText(this.live, error.message);
        return false;
      }
    }
    this.#arrange(fields);
    for (const [name, chart] of this.charts) if (series.values[name]) chart.set(series, name);
    const partly = series.complete === false;
    const part = partly ? `, not all read yet: ${percent(series.progress)}` : "";
    if (fields.length) setText(this.live, this.chosen.until ? `until ${instant(series.until)}${part}` : `live${part}`);
    return partly;
  }

  /** One chart for each field, in this order. */
  #arrange(fields) {
    for (const [name, chart] of this.charts) {
      if (fields.includes(name)) continue;
      chart.close();
      chart.element.remove();
      this.charts.delete(name);
    }
    fields.forEach((name, place) => {
      if (!this.charts.has(name)) {
        const chart = new SeriesChart(this.uPlot, name, ({ from, to }) => this.#zoom(from, to));
        this.box.append(chart.element);
        chart.start();
        this.charts.set(name, chart);
      }
      const { element } = this.charts.get(name);
      element.dataset.tint = String((place % 4) + 1);
      if (this.box.children[place] !== element) this.box.insertBefore(element, this.box.children[place] ?? null);
    });
  }

  #zoom(from, to) {
    const iso = (epoch_s) => new Date(epoch_s * 1000).toISOString();
    go("charts", { ...this.#range, since: iso(from), until: iso(to), field: this.chosen.fields });
  }
}

/** Show the charts. */
export const show = (root, parameters) => new Charts(root, parameters);

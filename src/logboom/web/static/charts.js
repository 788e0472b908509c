// Charts: numbers of entries over time, one chart per field, with a common cursor.

import { poll, read, serverNow } from "/static/api.js";
import { CompareChart } from "/static/compareplot.js";
import { parse } from "/static/exact.js";
import { command, el, empty, reconcile, setText } from "/static/dom.js";
import { labelled, setOptions } from "/static/filters.js";
import { ago, counted, exact, instant, percent } from "/static/format.js";
import { loadPlot, missingNote } from "/static/plot.js";
import { AGES, fixed } from "/static/ranges.js";
import { go } from "/static/route.js";
import { savedMenu } from "/static/saved.js";
import { SeriesChart } from "/static/seriesplot.js";

export const title = "Charts";

const POLL_MS = 3000;
const LISTS_MS = 15_000;
const SOURCES_MAX = 200;
const POINTS = 400;
const FIELDS_MAX = 8; // charts at once
const COMPARED_MAX = 6; // sources at once, as there are colours
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

const withOf = (more) => more.map((one) => keyOf(one.source, one.listener));

/** Charts of any sources, with their own view. */
const OWN = { view: "charts", key: "source", preferred: PREFERRED, since: DEFAULT_RANGE };

function defaultFields(fields, wanted_first) {
  const names = fields.map((field) => field.name);
  const preferred = wanted_first.flatMap((wanted) => names.filter((name) => lastPart(name) === wanted));
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

/**
 * Charts within an element. `place`: `view` and `key` are the view of the address and its parameter for the source;
 * `preferred` has the fields that are drawn first, `since` the range.
 */
export class Charts {
  constructor(root, parameters, place = OWN) {
    this.place = place;
    this.charts = new Map();
    this.source = el("select", { name: "source", on: { change: () => this.#choose({ ...parted(this.source.value), fields: [] }) } });
    this.range = el("select", { name: "range", on: { change: () => this.#choose({ since: this.range.value }) } },
      AGES.map(([name, text]) => el("option", { value: name }, text)));
    this.add = el("select", { name: "with", on: { change: () => this.#choose({ more: [...this.chosen.more, parted(this.add.value)] }) } });
    this.compared = el("div", { class: "chip-row compared-row" });
    this.live = el("span", { class: "soft small", role: "status" });
    this.fields = el("fieldset", { class: "chips" }, el("legend", { class: "unseen" }, "Fields"));
    this.chips = el("div", { class: "chip-row" });
    this.fields.append(this.chips);
    this.box = el("div", { class: "charts-box" });
    const advice = [el("p", {}, "Choose another source or a longer range, or try it with a simulated sensor:"), command("logboom simulate sensor --count 0 --rate 1")];
    this.nothing = empty("No numbers have come in this time range.", ...(this.#isOwn ? advice : []));
    this.nothing.hidden = true;
    const choices = this.#isOwn
      ? [labelled("Source", this.source, "wide"), labelled("Compare with", this.add), labelled("Range", this.range), savedMenu(() => ({}))]
      : [labelled("Range", this.range)];
    root.replaceChildren(...(this.#isOwn ? [el("h2", { class: "unseen" }, "Charts")] : []),
      el("form", { class: "filters", "aria-label": "What to draw", on: { submit: (event) => event.preventDefault() } }, choices, this.live),
      this.compared,
      this.fields, this.box, this.nothing);
    this.update(parameters);
    loadPlot().then((uPlot) => this.#start(uPlot), () => this.box.replaceChildren(missingNote()));
  }

  get #isOwn() {
    return this.place === OWN;
  }

  update(parameters) {
    this.chosen = {
      source: parameters.get(this.place.key) ?? "",
      listener: parameters.get("listener") ?? "",
      since: parameters.get("since") || this.place.since,
      until: parameters.get("until") ?? "",
      fields: parameters.getAll("field").slice(0, FIELDS_MAX),
      more: parameters.getAll("with").slice(0, COMPARED_MAX - 1).map(parted),
    };
    this.#showCompared();
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
    const { source, listener, since, until, fields, more } = { ...this.chosen, ...(changes.since ? { until: "" } : {}), ...changes };
    this.#go({ source, listener, since: since === this.place.since && !until ? "" : since, until, field: fields, with: withOf(more) });
  }

  #go({ source, ...choices }) {
    go(this.place.view, { [this.place.key]: source, ...choices });
  }

  /** All sources that are drawn; the first is the one that was chosen first. */
  get #sources() {
    return [{ source: this.chosen.source, listener: this.chosen.listener }, ...this.chosen.more];
  }

  /** Show the sources that are compared, each with the button that removes it. */
  #showCompared() {
    const sources = this.chosen.more.length ? this.#sources : [];
    this.compared.hidden = !sources.length;
    this.compared.replaceChildren(...sources.map((one, place) => el("span", { class: "chip compared", data: { tint: String(place + 1) } },
      el("i", { class: "swatch" }), one.source,
      el("button", { type: "button", class: "quiet", "aria-label": `Remove ${one.source}`, on: { click: () => this.#remove(place) } }, "✕"))));
  }

  #remove(place) {
    const [first, ...more] = this.#sources.toSpliced(place, 1);
    this.#choose({ ...first, more });
  }

  get #range() {
    return { source: this.chosen.source, listener: this.chosen.listener, since: this.chosen.since, until: this.chosen.until };
  }

  /** Load the names of sources and fields. */
  async #lists(signal) {
    try {
      if (this.#isOwn) await this.#listSources(signal);
      this.available = await this.#fields(signal);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      setText(this.live, error.message);
      return;
    }
    if (!this.chosen.fields.length) this.chosen.fields = defaultFields(this.available, this.place.preferred);
    this.#showChips();
    this.drawing?.now();
  }

  async #listSources(signal) {
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
    const drawn = new Set(this.#sources.map((one) => keyOf(one.source, one.listener)));
    this.add.disabled = drawn.size >= COMPARED_MAX;
    setOptions(this.add, [["", "add a source"], ...known.filter(([key]) => !drawn.has(key))], "");
    this.#showCompared();
  }

  /** Load the fields of all sources. */
  async #fields(signal) {
    const found = [];
    let whole = true;
    for (const one of this.#sources) {
      const fields = await this.#fieldsOf({ ...this.#range, ...one }, signal);
      found.push(...fields.filter((field) => !found.some((other) => other.name === field.name)));
      whole &&= this.whole;
    }
    this.whole = whole;
    return found;
  }

  /** Load the fields of the newest entries that have any, in several requests: each is limited to some seconds. */
  async #fieldsOf(asked, signal) {
    let answer = { fields: [], before: "" };
    do {
      answer = await read("/api/fields", { ...asked, before: answer.before }, signal, { parse });
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
    const { chosen } = this;
    const { fields } = chosen;
    this.nothing.hidden = fields.length > 0 || !this.whole;
    let found = [];
    if (fields.length) {
      try {
        const asked = { ...this.#commonRange(), field: fields, points: POINTS };
        found = await Promise.all(this.#sources.map(async (one) => plain(await read("/api/series", { ...asked, ...one }, signal, { parse }))));
      } catch (error) {
        if (error.name === "AbortError") throw error;
        setText(this.live, error.message);
        return false;
      }
    }
    if (chosen !== this.chosen) return false; // another choice was made meanwhile
    this.#arrange(fields);
    for (const [name, chart] of this.charts) {
      if (found.every((series) => series.values[name])) chart.set(found.length > 1 ? found : found[0], name);
    }
    const [series] = found;
    const partly = found.some((one) => !one.complete);
    const part = partly ? `, not all read yet: ${percent(Math.min(...found.map((one) => one.progress)))}` : "";
    if (fields.length) setText(this.live, this.chosen.until ? `until ${instant(series.until)}${part}` : `live${part}`);
    return partly;
  }

  /** The range; of several sources, with the same begin and end for all. */
  #commonRange() {
    const { since, until } = this.chosen;
    if (!this.chosen.more.length) return { since, until };
    const now_ms = serverNow();
    return { since: fixed({ since, until }, now_ms).since, until: until || new Date(now_ms).toISOString() };
  }

  /** One chart for each field, in this order. */
  #arrange(fields) {
    const labels = this.#sources.map((one) => one.source);
    if (labels.join("\n") !== this.labels) {
      for (const [name, chart] of this.charts) this.#drop(name, chart);
      this.labels = labels.join("\n");
    }
    for (const [name, chart] of this.charts) {
      if (!fields.includes(name)) this.#drop(name, chart);
    }
    fields.forEach((name, place) => {
      if (!this.charts.has(name)) {
        const zoom = ({ from, to }) => this.#zoom(from, to);
        const chart = labels.length > 1 ? new CompareChart(this.uPlot, name, zoom, labels) : new SeriesChart(this.uPlot, name, zoom);
        this.box.append(chart.element);
        chart.start();
        this.charts.set(name, chart);
      }
      const { element } = this.charts.get(name);
      element.dataset.tint = String((place % 4) + 1);
      if (this.box.children[place] !== element) this.box.insertBefore(element, this.box.children[place] ?? null);
    });
  }

  #drop(name, chart) {
    chart.close();
    chart.element.remove();
    this.charts.delete(name);
  }

  #zoom(from, to) {
    const iso = (epoch_s) => new Date(epoch_s * 1000).toISOString();
    this.#go({ ...this.#range, since: iso(from), until: iso(to), field: this.chosen.fields, with: withOf(this.chosen.more) });
  }
}

/** Show the charts. */
export const show = (root, parameters) => new Charts(root, parameters);

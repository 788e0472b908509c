// SQL: one query, its answer as a table and as bars, and the answer as a file.

import { read, send, serverNow } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { labelled, setOptions } from "/static/filters.js";
import { counted } from "/static/format.js";
import { AGES, fixed } from "/static/ranges.js";
import { go } from "/static/route.js";

export const title = "SQL";

const FIRST = "select level, count(*) as entries\nfrom logs\ngroup by level\norder by entries desc";
const DEFAULT_RANGE = "24h";
const RANGES = [...AGES, ["all", "everything"]];
const OWN = ["sequence", "time", "received_at", "source", "sender", "listener", "level", "severity", "message", "entry"];
const ROWS = 1000;
const BARS_MAX = 40;
const NUMBER = /INT|DOUBLE|FLOAT|DECIMAL/;
const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/;

class SqlView {
  constructor(root, parameters) {
    this.query = el("textarea", { name: "query", rows: 6, spellcheck: "false", autocomplete: "off", maxlength: 16384, on: { keydown: (event) => this.#key(event) } });
    this.range = el("select", { name: "range" });
    this.run = el("button", { type: "submit", class: "primary" }, "Run");
    this.csv = el("button", { type: "button", disabled: true, on: { click: () => this.#download("csv") } }, "CSV");
    this.json = el("button", { type: "button", disabled: true, on: { click: () => this.#download("json") } }, "JSON");
    this.note = el("p", { class: "status-line", role: "status" });
    this.names = el("div", { class: "chip-row" });
    this.chart = el("figure", { class: "bars", hidden: true });
    this.answer = el("div", { class: "table-box", hidden: true, tabindex: 0, role: "region", "aria-label": "Answer" });
    root.replaceChildren(el("h2", { class: "unseen" }, "SQL"),
      el("form", { class: "filters", "aria-label": "SQL query", on: { submit: (event) => this.#submit(event) } },
        labelled("One SELECT over logs", this.query, "wide sql-query"), labelled("Range", this.range), this.run, el("span", { class: "exports" }, "Download ", this.csv, this.json)),
      el("details", { class: "sql-columns", on: { toggle: ({ target }) => target.open && this.#columns() } }, el("summary", {}, "Columns"), this.names),
      this.note, this.chart, this.answer);
    this.stopping = new AbortController();
    this.update(parameters);
  }

  update(parameters) {
    this.query.value = parameters.get("query") || FIRST;
    setOptions(this.range, RANGES, parameters.get("since") || DEFAULT_RANGE);
    if (parameters.get("query")) this.#ask();
    else setText(this.note, "Ctrl+Enter runs the query.");
  }

  close() {
    this.stopping.abort();
  }

  #key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#submit(event);
  }

  #submit(event) {
    event.preventDefault();
    const before = location.hash;
    go("sql", { query: this.query.value, since: this.range.value });
    if (location.hash === before) this.#ask();
  }

  /** The body of a request; the range ends now. */
  #body(format) {
    const { since, until } = fixed({ since: this.range.value, until: "" }, serverNow());
    return { query: this.query.value, since, until, limit: ROWS, format };
  }

  async #ask() {
    this.run.disabled = true;
    setText(this.note, "Asking …");
    const began = performance.now();
    try {
      this.found = await send("POST", "/api/sql", this.#body("json"));
      this.#show(this.found, performance.now() - began);
    } catch (error) {
      this.found = null;
      this.chart.hidden = this.answer.hidden = true;
      setText(this.note, error.message);
    } finally {
      this.run.disabled = false;
      this.csv.disabled = this.json.disabled = !this.found;
    }
  }

  #show({ columns, rows, truncated }, took_ms) {
    const more = truncated ? ", the first of more" : "";
    setText(this.note, `${counted(rows.length, "row")}${more} in ${(took_ms / 1000).toFixed(1)} s`);
    const classes = columns.map(({ type }) => (NUMBER.test(type) ? "number" : null));
    this.answer.replaceChildren(el("table", {}, el("caption", { class: "unseen" }, "Answer"),
      el("thead", {}, el("tr", {}, columns.map(({ name }, place) => el("th", { scope: "col", class: classes[place] }, name)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((value, place) => el("td", { class: classes[place], title: shown(value) }, shown(value))))))));
    this.answer.hidden = false;
    this.chart.replaceChildren(...bars(columns, rows));
    this.chart.hidden = !this.chart.firstChild;
  }

  /** Offer the columns; a click writes the name at the cursor. */
  async #columns() {
    if (this.names.firstChild) return;
    const { since } = this.#body("json");
    try {
      const { facets } = await read("/api/facets", { since, limit: 1 }, this.stopping.signal);
      const names = [...new Set([...OWN, ...facets.map(({ field }) => field)])];
      this.names.replaceChildren(...names.map((name) => el("button", { type: "button", class: "quiet", on: { click: () => this.#write(name) } }, name)));
    } catch (error) {
      if (error.name !== "AbortError") setText(this.note, error.message);
    }
  }

  #write(name) {
    this.query.setRangeText(PLAIN_NAME.test(name) ? name : `"${name.replaceAll('"', '""')}"`, this.query.selectionStart, this.query.selectionEnd, "end");
    this.query.focus();
  }

  async #download(format) {
    const answer = await fetch("/api/sql", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(this.#body(format)) });
    if (!answer.ok) return setText(this.note, `the server answered ${answer.status}`);
    const url = URL.createObjectURL(await answer.blob());
    el("a", { href: url, download: `logboom.${format}` }).click();
    URL.revokeObjectURL(url);
  }
}

/** A value of an answer as text. */
function shown(value) {
  if (value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Bars of the first number of each row, with the first other value as label; none where there is no such pair. */
function bars(columns, rows) {
  const number = columns.findIndex(({ type }) => NUMBER.test(type));
  const label = columns.findIndex(({ type }) => !NUMBER.test(type));
  if (number < 0 || label < 0 || rows.length < 2) return [];
  const drawn = rows.slice(0, BARS_MAX);
  const most = Math.max(...drawn.map((row) => row[number] ?? 0));
  if (!(most > 0)) return [];
  return [el("figcaption", { class: "soft small" }, `${columns[number].name} by ${columns[label].name}`), ...drawn.map((row) => {
    const bar = el("span", { class: "bar" });
    bar.style.width = `${Math.max(0, (100 * (row[number] ?? 0)) / most)}%`;
    return el("div", { class: "bar-row" }, el("span", { class: "bar-label", title: shown(row[label]) }, shown(row[label]) || "–"), el("span", { class: "bar-box" }, bar), el("span", { class: "number" }, shown(row[number])));
  })];
}

export const show = (root, parameters) => new SqlView(root, parameters);

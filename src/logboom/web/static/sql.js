// SQL: one query, its answer as a table and as bars, and the answer as a file.

import { ApiError, read, send, serverNow } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { labelled, setOptions } from "/static/filters.js";
import { counted } from "/static/format.js";
import { AGES, fixed } from "/static/ranges.js";
import { go } from "/static/route.js";
import { SqlWords, quoted } from "/static/sqlwords.js";

export const title = "SQL";

const FIRST = "select level, count(*) as entries\nfrom logs\ngroup by level\norder by entries desc";
const DEFAULT_RANGE = "24h";
const RANGES = [...AGES, ["all", "everything"]];
const HINT = "Ctrl+Enter runs the query.";
const ROWS = 1000; // of the table
const FILE_ROWS = 100_000; // of a file: as many as the server gives
const BARS_MAX = 40;
const NUMBER = /INT|DOUBLE|FLOAT|DECIMAL/;
const LONG_NUMBER = /^-?\d+\.\d{5,}$/;

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
    this.words = new SqlWords(this.query, () => this.#names());
    this.stopping = new AbortController();
    this.asking = new AbortController();
    this.update(parameters);
  }

  /** Fill in the query of the address. It does not run by itself: a link may come from anywhere. */
  update(parameters) {
    const query = parameters.get("query") || FIRST;
    const since = parameters.get("since") || DEFAULT_RANGE;
    if (this.asked?.query === query && this.asked.since === since) return;
    this.asking.abort();
    this.asked = null;
    this.query.value = query;
    setOptions(this.range, RANGES, since);
    this.#clear();
    this.#rest();
    setText(this.note, HINT);
  }

  close() {
    this.stopping.abort();
    this.asking.abort();
  }

  #key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#submit(event);
  }

  #submit(event) {
    event.preventDefault();
    if (this.run.disabled) return; // a query runs
    this.asked = { query: this.query.value, since: this.range.value };
    this.#ask();
    go("sql", this.asked);
  }

  /** The body of a request; the range ends now. */
  #body(format, limit) {
    const { since, until } = fixed({ since: this.range.value, until: "" }, serverNow());
    return { query: this.query.value, since, until, limit, format };
  }

  #clear() {
    this.found = false;
    this.chart.hidden = this.answer.hidden = true;
  }

  /** Offer what can be done while no query runs. */
  #rest() {
    this.run.disabled = false;
    this.csv.disabled = this.json.disabled = !this.found;
  }

  /** Call `act(signal)`, which returns a note, in place of the query that runs. */
  async #during(act) {
    this.asking.abort();
    const { signal } = (this.asking = new AbortController());
    this.run.disabled = this.csv.disabled = this.json.disabled = true;
    setText(this.note, "Asking …");
    let note;
    try {
      note = await act(signal);
    } catch (error) {
      note = error.message;
    }
    if (signal.aborted) return;
    setText(this.note, note);
    this.#rest();
  }

  #ask() {
    const began = performance.now();
    return this.#during(async (signal) => {
      let found;
      try {
        found = await send("POST", "/api/sql", this.#body("json", ROWS), signal);
      } catch (error) {
        if (!signal.aborted) this.#clear();
        throw error;
      }
      return signal.aborted ? "" : this.#show(found, performance.now() - began);
    });
  }

  /** Show an answer; returns the note about it. */
  #show({ columns, rows, truncated }, took_ms) {
    const more = truncated ? ", the first of more" : "";
    const classes = columns.map(({ type }) => (NUMBER.test(type) ? "number" : null));
    this.answer.replaceChildren(el("table", {}, el("caption", { class: "unseen" }, "Answer"),
      el("thead", {}, el("tr", {}, columns.map(({ name }, place) => el("th", { scope: "col", class: classes[place] }, name)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((value, place) => el("td", { class: classes[place], title: shown(value) }, classes[place] ? brief(value) : shown(value))))))));
    this.answer.hidden = false;
    this.chart.replaceChildren(...bars(columns, rows));
    this.chart.hidden = !this.chart.firstChild;
    this.found = true;
    return `${counted(rows.length, "row")}${more} in ${(took_ms / 1000).toFixed(1)} s`;
  }

  /** Offer the columns; a click writes the name at the cursor. */
  async #columns() {
    if (this.names.firstChild) return;
    const names = await this.words.columns();
    this.names.replaceChildren(...names.map((name) => el("button", { type: "button", class: "quiet", on: { click: () => this.#write(name) } }, name)));
  }

  /** The names of the fields of the chosen range. */
  async #names() {
    const { since } = fixed({ since: this.range.value, until: "" }, serverNow());
    try {
      const { facets } = await read("/api/facets", { since, limit: 1 }, this.stopping.signal);
      return facets.map(({ field }) => field);
    } catch (error) {
      if (error.name !== "AbortError") setText(this.note, error.message);
      return [];
    }
  }

  #write(name) {
    this.query.setRangeText(quoted(name), this.query.selectionStart, this.query.selectionEnd, "end");
    this.query.focus();
  }

  #download(format) {
    return this.#during(async (signal) => {
      const { blob, isCut } = await file(this.#body(format, FILE_ROWS), signal);
      if (signal.aborted) return "";
      const url = URL.createObjectURL(blob);
      el("a", { href: url, download: `logboom.${format}` }).click();
      URL.revokeObjectURL(url);
      return isCut ? `The file has the first ${counted(FILE_ROWS, "row")}; there are more.` : "The file has all rows.";
    });
  }
}

/** Read an answer as a file. Throws `ApiError`, and what fetch throws where it is aborted. */
async function file(body, signal) {
  let answer;
  try {
    answer = await fetch("/api/sql", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
    if (answer.ok) return { blob: await answer.blob(), isCut: answer.headers.get("X-Logboom-Truncated") === "true" };
  } catch (error) {
    throw signal.aborted ? error : new ApiError("the server can't be reached", 0);
  }
  if (answer.status === 401) dispatchEvent(new Event("login-needed"));
  const refused = await answer.json().catch(() => null);
  throw new ApiError(refused?.error ?? `the server answered ${answer.status}`, answer.status);
}

/** A value of an answer as text, with all its digits. */
function shown(value) {
  if (value === null) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A value in few characters: a computed number has more digits than it means. */
function brief(value) {
  const text = shown(value);
  if (!LONG_NUMBER.test(text)) return text;
  const number = Number(text);
  return String(Math.abs(number) < 1 ? Number(number.toPrecision(4)) : Number(number.toFixed(4)));
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
    return el("div", { class: "bar-row" }, el("span", { class: "bar-label", title: shown(row[label]) }, shown(row[label]) || "–"), el("span", { class: "bar-box" }, bar), el("span", { class: "number", title: shown(row[number]) }, brief(row[number])));
  })];
}

export const show = (root, parameters) => new SqlView(root, parameters);

// The form of an alert's rule: made from a query, tried over the past, saved.

import { send, serverNow } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { labelled, setOptions } from "/static/filters.js";
import { count, counted, duration, since as sinceWhen } from "/static/format.js";
import { QueryError } from "/static/queryerror.js";
import { link } from "/static/route.js";

const WINDOWS = [["60", "1 min"], ["300", "5 min"], ["900", "15 min"], ["3600", "1 hour"], ["21600", "6 hours"], ["86400", "24 hours"], ["604800", "7 days"]];
const LASTS = [["0", "at once"], ["60", "1 min"], ["300", "5 min"], ["900", "15 min"], ["3600", "1 hour"]];
const TRIALS = [["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"]];
const UNITS_MS = { h: 3_600_000, d: 86_400_000 };
const LISTED = 10; // firings of a trial
const select = (name, options) => {
  const made = el("select", { name });
  setOptions(made, options, options[0][0]);
  return made;
};

export class RuleForm {
  /** @param {() => void} done is called after the rule was saved, or left. */
  constructor(done) {
    this.done = done;
    this.rule = null; // the one that is changed; null: a new one
    this.name = el("input", { name: "name", required: true, maxlength: 64, pattern: "[a-z][a-z0-9_\\-]*", placeholder: "pump_dry", title: "a-z, 0-9, _ and -, a letter first", spellcheck: "false" });
    this.query = el("input", { name: "query", required: true, maxlength: 2000, spellcheck: "false", placeholder: "level:>=error pump" });
    this.fewer = select("fewer", [["", "at least"], ["1", "fewer than"]]);
    this.threshold = el("input", { name: "threshold", type: "number", min: 1, step: 1, required: true });
    this.window = select("window", WINDOWS);
    this.lasts = select("for", LASTS);
    this.severity = select("severity", [["warning", "warning"], ["critical", "critical"]]);
    this.targets = el("fieldset", {}, el("legend", {}, "Messages go to"));
    this.back = select("back", TRIALS);
    this.back.value = "7d";
    this.back.setAttribute("aria-label", "How far back to try");
    this.save = el("button", { type: "submit", class: "primary" }, "Save");
    this.tried = el("button", { type: "button", on: { click: () => this.#try() } }, "Try over the last");
    this.note = el("p", { role: "status" });
    this.trial = el("ul", { class: "trial soft small" });
    this.wrong = new QueryError(this.query);
    this.element = el("form", { class: "rule-form", "aria-label": "Rule", autocomplete: "off", hidden: true, on: { submit: (event) => this.#submit(event) } },
      el("div", { class: "filters" }, labelled("Name", this.name), labelled("Query", this.query, "wide"), labelled("Fires at", this.fewer),
        labelled("Entries", this.threshold), labelled("Within", this.window), labelled("If that lasts", this.lasts), labelled("Severity", this.severity), this.targets),
      this.wrong.element,
      el("div", { class: "actions" }, this.save, el("button", { type: "button", on: { click: () => this.close() } }, "Cancel"), this.tried, this.back),
      this.note, this.trial);
  }

  /** Show the form: of a rule, or of a new one with this query. */
  open(rule, query, targets) {
    const shown = rule ?? { name: "", query, fewer: false, threshold: 1, window_s: 300, for_s: 0, severity: "warning", targets: [] };
    this.rule = rule;
    this.name.value = shown.name;
    this.name.readOnly = Boolean(rule);
    this.query.value = shown.query;
    this.fewer.value = shown.fewer ? "1" : "";
    this.threshold.value = shown.threshold;
    for (const [control, options, seconds] of [[this.window, WINDOWS, shown.window_s], [this.lasts, LASTS, shown.for_s]]) {
      const known = options.some(([name]) => Number(name) === seconds);
      setOptions(control, known ? options : [...options, [String(seconds), duration(seconds)]], String(seconds));
    }
    this.severity.value = shown.severity;
    const boxes = targets.map((name) => el("label", { class: "chip" }, el("input", { type: "checkbox", name: "target", value: name, ...(shown.targets.includes(name) ? { checked: true } : {}) }), name));
    this.targets.replaceChildren(el("legend", {}, targets.length ? "Messages go to (none chosen: the targets of alerts.notify)" : "No target is configured: the alert is only shown."), el("span", { class: "chip-row" }, boxes));
    this.#clear();
    this.element.hidden = false;
    (rule || !query ? this.query : this.name).focus();
  }

  close() {
    this.element.hidden = true;
    this.done();
  }

  #clear() {
    setText(this.note, "");
    this.wrong.point(null);
    this.trial.replaceChildren();
  }

  #table() {
    return {
      query: this.query.value.trim(),
      fewer: Boolean(this.fewer.value),
      threshold: Number(this.threshold.value),
      window_s: Number(this.window.value),
      for_s: Number(this.lasts.value),
      clear_s: this.rule?.clear_s ?? 0,
    };
  }

  async #submit(event) {
    event.preventDefault();
    const name = this.name.value.trim();
    const targets = [...this.targets.querySelectorAll("input:checked")].map((box) => box.value);
    const table = { ...this.#table(), severity: this.severity.value, targets, enabled: this.rule?.enabled ?? true };
    await this.#busy(this.save, async () => {
      if (this.rule) await send("PUT", `/api/alerts/rules/${encodeURIComponent(name)}`, table);
      else await send("POST", "/api/alerts/rules", { name, ...table });
      this.close();
    });
  }

  async #try() {
    if (!this.query.reportValidity() || !this.threshold.reportValidity()) return;
    const [, number, unit] = /(\d+)(\w)/.exec(this.back.value);
    const since = new Date(serverNow() - Number(number) * UNITS_MS[unit]).toISOString();
    setText(this.note, "Trying …");
    await this.#busy(this.tried, async () => this.#show(await send("POST", "/api/alerts/trial", { ...this.#table(), since })));
  }

  #show({ fired, firings, since, entries, complete, limit }) {
    const times = fired === 1 ? "once" : `${count(fired)} times`;
    const part = complete ? "" : limit === "steps" ? "; too many match to go further back: choose a longer window, or try a shorter time"
      : "; there was no time to go further back: name a word in the query, or try a shorter time";
    setText(this.note, `Would have fired ${times} since ${sinceWhen(Date.parse(since))}; ${counted(entries, "entry matches", "entries match")}${part}.`);
    this.trial.replaceChildren(...firings.slice(-LISTED).reverse().map((one) => {
      const from = new Date(Date.parse(one.since) - 1000 * Number(this.window.value)).toISOString();
      const seconds = (Date.parse(one.until) - Date.parse(one.since)) / 1000;
      return el("li", {}, el("a", { href: link("search", { q: this.query.value, since: from, until: one.until, by: "received" }) }, sinceWhen(Date.parse(one.since))),
        ` for ${duration(seconds).replace(/ 0 \w+$/, "")}, ${counted(one.matches, "entry", "entries")}`);
    }));
  }

  async #busy(button, act) {
    button.disabled = true;
    this.wrong.point(null);
    try {
      await act();
    } catch (error) {
      this.trial.replaceChildren();
      setText(this.note, error.message);
      this.wrong.point(error, this.query.value);
    } finally {
      button.disabled = false;
    }
  }
}

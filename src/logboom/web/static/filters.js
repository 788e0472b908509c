// The form of a view's filters. Its names are the parameters of the API, and of the address.

import { read } from "/static/api.js";
import { Completion } from "/static/completion.js";
import { el, freshId, setText } from "/static/dom.js";
import { CHOICES } from "/static/ranges.js";
import { SourceField } from "/static/sources.js";

const TYPING_MS = 300;
const UNFINISHED = /[^\s(]:=?$/;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const EXACT = ["TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"];

/** A control with its label. `more` is placed next to the control. */
export function labelled(text, control, kind = "", ...more) {
  control.id ||= freshId("control");
  return el("div", { class: `field ${kind}`.trim() }, el("label", { for: control.id }, text), control, ...more);
}

/** Set the options of a select, keeping its value, which is added if it is missing, and its open state. */
export function setOptions(select, options, value = select.value) {
  const known = options.some(([name]) => name === value) ? options : [...options, [value, value.trim()]];
  const same = select.options.length === known.length && known.every(([name], place) => select.options[place].value === name);
  if (same) known.forEach(([, text], place) => setText(select.options[place], text));
  else select.replaceChildren(...known.map(([name, text]) => el("option", { value: name }, text)));
  if (select.value !== value) select.value = value;
}

/** Controls, by name. */
const CONTROLS = {
  q: () => labelled("Query", el("input", { name: "q", type: "text", maxlength: 2000, spellcheck: "false", placeholder: "word, part*, field:value, -not, a or b" }), "wide query"),
  level: () => labelled("Level", el("select", { name: "level" },
    el("option", { value: "" }, "any"), LEVELS.map((level) => el("option", { value: level }, level === "CRITICAL" ? level : `${level} +`)),
    el("optgroup", { label: "exactly" }, EXACT.map((level) => el("option", { value: `=${level}` }, `= ${level}`))))),
  listener: () => labelled("Listener", el("select", { name: "listener" }, el("option", { value: "" }, "any"))),
  range: () => labelled("Range", el("select", { name: "range" }, CHOICES.map(([name, text]) => el("option", { value: name }, text)))),
  last: () => labelled("Last", el("input", { name: "last", type: "text", placeholder: "3 d, 90 min", title: "Such as 3 d, 90 min, 1h30m" }), "last"),
  by: () => labelled("Time of", el("select", { name: "by" },
    el("option", { value: "" }, "the entry"), el("option", { value: "received" }, "its arrival"))),
  from: () => labelled("From", el("input", { name: "from", type: "datetime-local", step: 1 }), "moment"),
  to: () => labelled("To", el("input", { name: "to", type: "datetime-local", step: 1 }), "moment"),
};

/**
 * A form of filters.
 * @param {string} label accessible name of the form.
 * @param {string[]} names names of its controls.
 * @param {(values: Object, how: {typing: boolean}) => void} changed is called with the new values. `typing`: the
 *   text continues the last change, so the history entry is replaced.
 */
export class FilterForm {
  constructor(label, names, changed) {
    this.changed = changed;
    this.controls = {};
    this.element = el("form", { class: "filters", role: "search", "aria-label": label, autocomplete: "off" });
    for (const name of names) {
      const field = name === "source" ? new SourceField() : CONTROLS[name]();
      this.controls[name] = field.element ? field : field.querySelector(`[name="${name}"]`);
      this.element.append(field.element ?? field);
    }
    this.timer = 0;
    this.burst = false;
    if (this.controls.q) this.completion = new Completion(this.controls.q);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(false);
    });
    this.element.addEventListener("focusin", () => (this.burst = false));
    this.element.addEventListener("input", (event) => {
      clearTimeout(this.timer);
      if (event.target.type === "datetime-local") return; // an incomplete date: `change` follows
      if (event.target === this.controls.q && UNFINISHED.test(event.target.value)) return; // the value follows
      const typing = ["search", "text"].includes(event.target.type);
      this.timer = setTimeout(() => this.#send(typing), typing ? TYPING_MS : 0);
    });
    this.element.addEventListener("change", (event) => event.target.type === "datetime-local" && this.#send(false));
    this.#offer();
  }

  #send(typing) {
    clearTimeout(this.timer);
    this.changed(this.values(), { typing: typing && this.burst });
    this.burst = typing;
  }

  values() {
    return Object.fromEntries(Object.entries(this.controls).map(([name, control]) => [name, control.value.trim()]));
  }

  /** Show these values, except in a control that the user is typing in. */
  set(values) {
    for (const [name, control] of Object.entries(this.controls)) {
      const value = values[name] ?? "";
      const typed = (control.element ?? control).contains(document.activeElement) && this.burst;
      if (control.value.trim() === value || typed) continue;
      if (control.tagName === "SELECT" && ![...control.options].some((option) => option.value === value)) {
        control.append(el("option", { value }, value));
      }
      control.value = value;
    }
  }

  /** Load the options; the form works without them. */
  async #offer() {
    const { listener } = this.controls;
    if (!listener) return;
    try {
      const { listeners } = await read("/api/status");
      setOptions(listener, [["", "any"], ...listeners.map((one) => [one.name, one.name])]);
    } catch {
      // the status in the head shows that the server does not answer
    }
  }
}

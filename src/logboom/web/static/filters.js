// The form of a view's filters. Its names are the parameters of the API, and of the address.

import { read } from "/static/api.js";
import { Completion } from "/static/completion.js";
import { el, freshId, setText } from "/static/dom.js";

const TYPING_MS = 300;
const SOURCES_MAX = 200;
const UNFINISHED = /[^\s(]:=?$/;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
export const RANGES = [["15m", "15 min"], ["1h", "1 hour"], ["6h", "6 hours"], ["24h", "24 hours"], ["3d", "3 days"], ["7d", "7 days"], ["30d", "30 days"]];

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
    el("option", { value: "" }, "any"), LEVELS.map((level) => el("option", { value: level }, level === "CRITICAL" ? level : `${level} +`)))),
  source: () => {
    const id = freshId("sources");
    return labelled("Source", el("input", { name: "source", type: "search", placeholder: "any", list: id }), "", el("datalist", { id }));
  },
  listener: () => labelled("Listener", el("select", { name: "listener" }, el("option", { value: "" }, "any"))),
  range: () => labelled("Range", el("select", { name: "range" },
    RANGES.map(([name, text]) => el("option", { value: name }, text)),
    el("option", { value: "all" }, "everything"), el("option", { value: "own" }, "from … to"))),
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
      const field = CONTROLS[name]();
      this.controls[name] = field.querySelector(`[name="${name}"]`);
      this.element.append(field);
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
      if (control.value.trim() === value || (control === document.activeElement && this.burst)) continue;
      if (control.tagName === "SELECT" && ![...control.options].some((option) => option.value === value)) {
        control.append(el("option", { value }, value));
      }
      control.value = value;
    }
  }

  /** Load the options; the form works without them. */
  async #offer() {
    const { listener, source } = this.controls;
    try {
      if (listener) {
        const { listeners } = await read("/api/status");
        setOptions(listener, [["", "any"], ...listeners.map((one) => [one.name, one.name])]);
      }
      if (source) {
        const { sources } = await read("/api/sources", { limit: SOURCES_MAX });
        source.list?.replaceChildren(...sources.map((one) => el("option", { value: one.name })));
      }
    } catch {
      // the status in the head shows that the server does not answer
    }
  }
}

/** Convert a local date and time of a form to ISO 8601 in UTC; empty for empty. */
export function toIso(local) {
  const at = new Date(local);
  return local && !Number.isNaN(at.getTime()) ? at.toISOString() : "";
}

/** Convert ISO 8601 to a local date and time of a form. */
export function toLocal(iso) {
  const at = new Date(iso);
  if (!iso || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

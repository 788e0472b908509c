// A list of suggestions below an input, for what stands before the cursor: a combobox.

import { el, freshId } from "/static/dom.js";
import { compact } from "/static/format.js";

const SHOWN_MAX = 12;
const WAIT_MS = 120; // a fast typist asks for the last word only

/** Base class. A subclass has `async find(before, asked)`, which returns `{part, from, options}` or null, and `take(option)`. */
export class Suggestions {
  /** @param {HTMLInputElement | HTMLTextAreaElement} input its parent has the list. */
  constructor(input) {
    this.input = input;
    this.options = [];
    this.active = -1;
    this.list = el("ul", { class: "completion", role: "listbox", id: freshId("completion"), "aria-label": "Completions", hidden: true });
    this.isLine = input.matches("input"); // a text area can't be a combobox, and needs its arrow keys
    const role = this.isLine ? { role: "combobox", "aria-expanded": "false" } : {};
    for (const [name, value] of Object.entries({ ...role, "aria-autocomplete": "list", "aria-controls": this.list.id })) {
      input.setAttribute(name, value);
    }
    input.after(this.list);
    input.addEventListener("input", () => this.#soon());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.hide());
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the input keeps the focus
      const row = event.target.closest("li");
      if (row) this.take(this.options[Number(row.dataset.place)]);
    });
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.offer(), WAIT_MS);
  }

  /** Show what fits; `asked`: also where nothing was typed yet. */
  async offer({ asked = false } = {}) {
    const mine = (this.offering = {});
    const found = await this.find(this.input.value.slice(0, this.input.selectionStart), asked);
    if (mine !== this.offering || document.activeElement !== this.input) return;
    if (!found) return this.hide();
    const part = found.part.toLowerCase();
    const options = found.options.filter((one) => one.text.toLowerCase().includes(part));
    options.sort((one, other) => other.text.toLowerCase().startsWith(part) - one.text.toLowerCase().startsWith(part));
    this.#show(options.slice(0, SHOWN_MAX).map((one) => ({ ...one, from: found.from })));
  }

  #show(options) {
    this.options = options;
    this.active = -1;
    this.input.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(...options.map((one, place) =>
      el("li", { role: "option", id: `${this.list.id}-${place}`, "aria-selected": "false", data: { place } },
        el("span", {}, one.text || "(empty)"), el("span", { class: "size" }, one.count === undefined ? "" : compact(one.count)))));
    this.list.hidden = !options.length;
    if (this.isLine) this.input.setAttribute("aria-expanded", String(options.length > 0));
  }

  hide() {
    clearTimeout(this.timer);
    this.offering = null;
    this.#show([]);
  }

  #key(event) {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" && !open && this.isLine) this.offer({ asked: true });
    else if (!open) return;
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") this.#move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Escape") this.hide();
    else if ((event.key === "Enter" || event.key === "Tab") && this.active >= 0 && !event.ctrlKey && !event.metaKey) this.take(this.options[this.active]);
    else {
      if (event.key === "Enter") this.hide();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  #move(step) {
    const count = this.options.length;
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = this.active < 0 && step < 0 ? count - 1 : (this.active + step + count) % count;
    const row = this.list.children[this.active];
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", row.id);
  }
}

// The field for one source or several.

import { read } from "/static/api.js";
import { el, freshId } from "/static/dom.js";

const LISTED_MAX = 200;
const SOURCES_MAX = 10; // as one query of the API; more are better named by a pattern, such as `source:pump*`

/** Inputs, one per source; `value` has the names, one per line. */
export class SourceField {
  constructor() {
    this.id = freshId("sources");
    this.known = el("datalist", { id: this.id });
    this.inputs = el("div", { class: "sources" });
    this.or = el("button", { type: "button", class: "quiet", "aria-label": "Add another source", title: "Add another source", on: { click: () => this.#add("").focus() } }, "or");
    this.element = el("div", { class: "field source" }, this.inputs, this.or, this.known);
    this.#add("");
    this.element.addEventListener("input", () => this.#show());
    this.#offer();
  }

  get value() {
    return [...new Set(this.#names())].join("\n");
  }

  set value(text) {
    const names = text.split("\n").slice(0, SOURCES_MAX);
    while (this.inputs.children.length > names.length) this.inputs.lastChild.remove();
    names.forEach((name, place) => {
      const input = this.inputs.children[place]?.querySelector("input") ?? this.#add("");
      if (input.value !== name) input.value = name;
    });
    this.#show();
  }

  #names() {
    return [...this.inputs.querySelectorAll("input")].map((input) => input.value.trim()).filter(Boolean);
  }

  #add(value) {
    const [id, first] = [freshId("source"), !this.inputs.children.length];
    const input = el("input", { id, name: "source", type: "search", placeholder: first ? "any" : "another", list: this.id, value });
    this.inputs.append(el("div", {}, el("label", { for: id, class: first ? null : "unseen" }, first ? "Source" : "Another source"), input));
    this.#show();
    return input;
  }

  #show() {
    const count = this.inputs.children.length;
    this.or.hidden = this.#names().length < count || count >= SOURCES_MAX;
  }

  async #offer() {
    try {
      const { sources } = await read("/api/sources", { limit: LISTED_MAX });
      this.known.replaceChildren(...[...new Set(sources.map((one) => one.name))].map((name) => el("option", { value: name })));
    } catch {
      // the status in the head shows that the server does not answer
    }
  }
}

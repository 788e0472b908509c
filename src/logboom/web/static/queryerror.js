// The place of a mistake in a query: the query, and a caret below.

import { el, setText } from "/static/dom.js";

export class QueryError {
  /** @param {HTMLInputElement} input the field that has the query. */
  constructor(input) {
    this.input = input;
    this.element = el("pre", { class: "query-error", role: "alert", hidden: true });
  }

  /** Point at the place of an API's error in a query; null, or an error without a place: at none. */
  point(error, query) {
    const position = error?.position ?? null;
    this.element.hidden = position === null;
    if (position === null) this.input.removeAttribute("aria-invalid");
    else this.input.setAttribute("aria-invalid", "true");
    if (position !== null) setText(this.element, `${query}\n${" ".repeat(position)}^`);
  }
}

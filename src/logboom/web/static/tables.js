// The overview's tables: rows that stay when their values change.

import { el, reconcile, setData, setText } from "/static/dom.js";

/**
 * A table.
 * @param {string} title its caption, for screen readers.
 * @param {Array<{head: string, text: (item) => string|number, number?: boolean, href?: (item) => string,
 *   state?: (item) => string, hint?: (item) => string, narrow?: boolean, make?: (item) => Element,
 *   draw?: () => Element, show?: (element, item) => void, hidden?: (item) => boolean}>} columns `narrow`: hidden on a
 *   phone; `make`: a row's element instead of a text; `draw`: one that `show` brings up to date.
 * @param {(item) => string} keyOf
 */
export class Table {
  constructor(title, columns, keyOf) {
    this.columns = columns;
    this.keyOf = keyOf;
    this.body = el("tbody");
    const heads = columns.map((column) => column.head ? el("th", { scope: "col", class: classOf(column) }, column.head) : el("td", { class: classOf(column) }));
    this.table = el("table", {}, el("caption", { class: "unseen" }, title), el("thead", {}, el("tr", {}, heads)), this.body);
    this.element = el("div", { class: "table-box", tabindex: 0, role: "group", "aria-label": title }, this.table);
  }

  /** Show these items. */
  set(items) {
    reconcile(this.body, items, this.keyOf, (item) => this.#make(item), (row, item) => this.#update(row, item));
  }

  #make(item) {
    return el("tr", {}, this.columns.map((column) => {
      const inner = column.make ? column.make(item) : column.draw ? column.draw() : column.href ? el("a", {}) : column.state ? el("span", { class: "state" }) : null;
      return el("td", { class: classOf(column) }, inner);
    }));
  }

  #update(row, item) {
    this.columns.forEach((column, place) => {
      const cell = row.children[place];
      const inner = cell.firstElementChild ?? cell;
      if (column.hidden) inner.hidden = column.hidden(item);
      if (column.make) return;
      if (column.draw) {
        column.show(inner, item);
        return;
      }
      setText(inner, column.text(item));
      if (column.href && inner.getAttribute("href") !== column.href(item)) inner.setAttribute("href", column.href(item));
      if (column.state) setData(inner, "state", column.state(item));
      if (column.hint && cell.title !== column.hint(item)) cell.title = column.hint(item);
    });
  }
}

function classOf(column) {
  return [column.number ? "number" : "", column.narrow ? "wide-only" : "", column.grow ? "grow" : "", column.make ? "action" : ""].join(" ").trim() || null;
}

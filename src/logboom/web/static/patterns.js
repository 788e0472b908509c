// Patterns: the found entries grouped by the template of their message, and exceptions by type and frames.

import { read } from "/static/api.js";
import { narrowed } from "/static/conditions.js";
import { el, setText } from "/static/dom.js";
import { count, counted, levelClass, moment, percent } from "/static/format.js";
import { link } from "/static/route.js";

const SHOWN = 100;

export class PatternList {
  constructor() {
    this.note = el("p", { class: "status-line", role: "status" });
    this.lists = el("div");
    this.element = el("div", { class: "patterns", hidden: true }, this.note, this.lists);
  }

  /** Show the patterns of a query of the API; `address` are the filters of the page's address. */
  async show(query, address, signal) {
    setText(this.note, "Grouping …");
    this.lists.replaceChildren();
    try {
      const found = await read("/api/patterns", { ...query, limit: SHOWN }, signal);
      const part = found.complete ? "" : `the newest ${percent(found.progress)} of the range: `;
      const some = `${part}${counted(found.entries, "entry", "entries")}, ${counted(found.messages_total, "message pattern")}`;
      setText(this.note, `${some}, ${counted(found.exceptions_total, "exception")}`);
      this.lists.replaceChildren(
        ...(found.exceptions.length ? [section("Exceptions", found.exceptions, address)] : []),
        section("Messages", found.messages, address));
    } catch (error) {
      if (error.name !== "AbortError") setText(this.note, error.message);
    }
  }
}

function section(name, groups, address) {
  const heads = ["Entries", name, "Level", "Last seen"].map((text, place) => el("th", { scope: "col", class: place === 3 ? "wide-only" : null }, text));
  return el("section", { "aria-label": name }, el("div", { class: "table-box" },
    el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, groups.map((group) => row(group, address))))));
}

function row(group, address) {
  const found = link("search", { ...address, q: narrowed(address.q ?? "", group.query), view: "" });
  const [level = ""] = Object.keys(group.levels);
  const where = group.frames?.length ? group.frames.at(-1) : Object.keys(group.sources).join(", ");
  return el("tr", {},
    el("td", { class: "number" }, count(group.count)),
    el("td", { class: "template" }, el("a", { href: found, title: group.query }, group.template), el("span", { class: "soft small" }, where)),
    el("td", {}, el("span", { class: `level level-${levelClass(level)}` }, level || "–")),
    el("td", { class: "wide-only", title: `first ${group.first_seen}` }, moment(group.last_seen)));
}

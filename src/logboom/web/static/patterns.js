// Patterns: the found entries grouped by the template of their message, and exceptions by type and frames.

import { read } from "/static/api.js";
import { narrowed } from "/static/conditions.js";
import { el, setText } from "/static/dom.js";
import { count, counted, levelClass, moment, percent } from "/static/format.js";
import { link } from "/static/route.js";

const SHOWN = 100;
const ASKED = 500; // of each answer, so that the sums of several are right but for rare groups

export class PatternList {
  constructor() {
    this.note = el("span", { role: "status" });
    this.more = el("button", { type: "button", hidden: true, on: { click: () => this.#read() } }, "Go on");
    this.lists = el("div");
    this.element = el("div", { class: "patterns", hidden: true }, el("p", { class: "status-line" }, this.note, this.more), this.lists);
  }

  /** Show the patterns of a query of the API; `address` are the filters of the page's address. */
  async show(query, address, signal) {
    [this.query, this.address, this.signal, this.found] = [query, address, signal, null];
    this.lists.replaceChildren();
    setText(this.note, "Grouping …");
    await this.#read();
  }

  /** Read the newest part of the range, or the part before the one that is shown. */
  async #read() {
    const { query, signal } = this;
    this.more.disabled = true;
    try {
      const found = await read("/api/patterns", { ...query, limit: ASKED, before: this.found?.before ?? query.before }, signal);
      if (signal !== this.signal) return;
      this.found = this.found ? joined(this.found, found) : found;
      this.#draw(this.found);
    } catch (error) {
      if (error.name !== "AbortError") setText(this.note, error.message);
    } finally {
      this.more.disabled = false;
    }
  }

  #draw({ complete, progress, entries, messages, messages_total, exceptions, exceptions_total }) {
    const part = complete ? "" : `the newest ${percent(progress)} of the range: `;
    const some = `${part}${counted(entries, "entry", "entries")}, ${counted(messages_total, "message pattern")}`;
    setText(this.note, `${some}, ${counted(exceptions_total, "exception")}`);
    this.more.hidden = complete;
    this.lists.replaceChildren(
      ...(exceptions.length ? [section("Exceptions", exceptions.slice(0, SHOWN), this.address)] : []),
      section("Messages", messages.slice(0, SHOWN), this.address));
  }
}

/** The answer for two parts of a range, the newer one first. */
function joined(newer, older) {
  const messages = joinedGroups([...newer.messages, ...older.messages], (one) => one.template);
  const exceptions = joinedGroups([...newer.exceptions, ...older.exceptions], (one) => one.fingerprint);
  return {
    ...older, messages, exceptions,
    entries: newer.entries + older.entries,
    progress: newer.progress + (1 - newer.progress) * older.progress,
    messages_total: Math.max(newer.messages_total, older.messages_total, messages.length),
    exceptions_total: Math.max(newer.exceptions_total, older.exceptions_total, exceptions.length),
  };
}

function joinedGroups(groups, keyOf) {
  const found = new Map();
  for (const group of groups) {
    const before = found.get(keyOf(group));
    found.set(keyOf(group), before ? joinedGroup(before, group) : group);
  }
  return [...found.values()].sort((one, other) => other.count - one.count);
}

const joinedGroup = (one, other) => ({
  ...one,
  count: one.count + other.count,
  first_seen: one.first_seen < other.first_seen ? one.first_seen : other.first_seen,
  last_seen: one.last_seen > other.last_seen ? one.last_seen : other.last_seen,
  levels: sums(one.levels, other.levels),
  sources: sums(one.sources, other.sources),
});

function sums(counts, more) {
  const found = { ...counts };
  for (const [name, number] of Object.entries(more)) found[name] = (found[name] ?? 0) + number;
  return Object.fromEntries(Object.entries(found).sort(([, one], [, other]) => other - one));
}

function section(name, groups, address) {
  const heads = ["Entries", name, "Level", "First seen", "Last seen"].map((text, place) => el("th", { scope: "col", class: place >= 3 ? "wide-only" : null }, text));
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
    el("td", { class: "wide-only", title: group.first_seen }, moment(group.first_seen)),
    el("td", { class: "wide-only", title: group.last_seen }, moment(group.last_seen)));
}

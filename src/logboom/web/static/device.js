// One device: its name, its charts, boots and gaps, and its refused lines.

import { poll, read, send } from "/static/api.js";
import { Charts } from "/static/charts.js";
import { INTERVAL_MS, REFUSED_MAX, at, eventSection, refusedSection, showEvents, showRefused, showTrend, since, trend, uptime, wordOf } from "/static/devicefacts.js";
import { el, setText } from "/static/dom.js";
import { labelled } from "/static/filters.js";
import { clockOf, count, counted } from "/static/format.js";
import { link } from "/static/route.js";
import { Table } from "/static/tables.js";

const EVENTS_MAX = 20;
const NAME_CHARS_MAX = 64; // as the server

const BOOTS = [
  { head: "Boot", text: (one) => one.boot_seq, number: true },
  { head: "Started", text: (one) => at(one.started_at), hint: (one) => `from ${one.started_from || "nothing"}` },
  { head: "Uptime", text: uptime, number: true },
  { head: "Reset", text: (one) => one.reset_reason, narrow: true },
  { head: "Lines", text: (one) => count(one.lines), number: true, narrow: true },
  { head: "Missing", text: (one) => count(one.missing), number: true },
];

const GAPS = [
  { head: "Boot", text: (one) => one.boot_seq, number: true },
  { head: "Missing seq", text: (one) => (one.first === one.last ? `${one.first}` : `${one.first}–${one.last}`), href: (one) => link("why", { source: one.name, boot: one.boot_seq, seq: one.first }) },
  { head: "Lines", text: (one) => count(one.lines), number: true },
  { head: "Line before", text: (one) => at(one.before), narrow: true },
  { head: "Line after", text: (one) => at(one.noticed_at) },
  { head: "", text: (one) => (one.waiting ? "may still come" : ""), narrow: true },
];

/** What the charts of a device show first, and where their choices are in the address. */
const CHARTED = { view: "devices", key: "name", preferred: ["heap_free", "free_heap", "heap", "freeHeap", "rssi", "wifi_rssi", "RSSI", "uptime_ms"], since: "6h" };

const part = (name, ...content) => el("section", { "aria-label": name }, el("h2", {}, name), ...content);

/** The page of one device. */
export class OneDevice {
  constructor(root, parameters) {
    [this.name, this.listener] = ["name", "listener"].map((key) => parameters.get(key) ?? "");
    const { name, listener } = this;
    this.head = el("h2", {}, name);
    this.summary = el("p", { class: "soft" }, "loading");
    this.heap = trend();
    this.boots = new Table("Boots", BOOTS, (one) => String(one.boot_seq));
    this.gaps = new Table("Gaps", GAPS, (one) => `${one.boot_seq} ${one.first} ${one.last}`);
    this.noGaps = el("p", { class: "soft" }, "No line is missing.");
    this.events = eventSection();
    this.refused = refusedSection();
    const links = el("p", {}, el("a", { href: link("devices") }, "All devices"), " · ",
      el("a", { href: link("search", { source: name, listener }) }, "Its lines"), " · ",
      el("a", { href: link("charts", { source: name, listener }) }, "Compare its charts"), " · ",
      el("a", { href: link("why", { source: name }) }, "Why is a line not here?"));
    const drawn = el("div", { class: "charts" });
    root.append(this.head, links, this.summary, this.heap, this.#naming(), part("Charts", drawn), part("Boots", this.boots.element),
      part("Gaps", this.noGaps, this.gaps.element), this.events, this.refused);
    this.charts = new Charts(drawn, parameters, CHARTED);
    this.polling = poll((signal) => this.#ask(signal), INTERVAL_MS);
  }

  isOf(name, listener) {
    return name === this.name && listener === this.listener;
  }

  update(parameters) {
    this.charts.update(parameters);
  }

  close() {
    this.charts.close();
    this.polling.stop();
  }

  /** The form for the name that people give the device. */
  #naming() {
    this.given = el("input", { name: "given_name", type: "text", maxlength: NAME_CHARS_MAX, autocomplete: "off", disabled: true, on: { input: () => setText(this.named, "") } });
    this.named = el("span", { class: "soft small", role: "status" });
    this.saving = el("button", { type: "submit", disabled: true }, "Save");
    return el("form", { class: "filters naming", "aria-label": "Name of the device", on: { submit: (event) => this.#save(event) } },
      labelled("Name for people", this.given), this.saving, this.named);
  }

  async #save(event) {
    event.preventDefault();
    this.saving.disabled = true;
    try {
      const { given_name } = await send("PUT", "/api/devices/name", { listener: this.one.listener, name: this.name, given_name: this.given.value });
      this.given.value = given_name;
      setText(this.named, given_name ? "Saved." : "Saved: it has only its own name.");
      this.polling.now();
    } catch (error) {
      setText(this.named, error.message);
    } finally {
      this.saving.disabled = false;
    }
  }

  async #ask(signal) {
    try {
      const found = await read("/api/devices", { name: this.name, listener: this.listener, limit: EVENTS_MAX }, signal);
      const one = found.devices[0];
      const refused = await read("/api/refused", { source: one?.peer ?? this.name, limit: REFUSED_MAX }, signal);
      const events = found.events.filter((event) => event.listener === one?.listener);
      showEvents(this.events, events, false);
      this.#show(one, refused);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      setText(this.summary, error.message);
    }
  }

  #show(one, refused) {
    if (one && !this.one) {
      this.given.value = one.given_name;
      this.given.disabled = this.saving.disabled = false;
    }
    this.one = one ?? this.one;
    setText(this.head, one?.given_name ? `${one.given_name} (${one.name})` : this.name);
    setText(this.summary, one ? describe(one) : "There is no such device.");
    showTrend(this.heap, one?.heap ?? []);
    this.boots.set([...(one?.boot_list ?? [])].reverse());
    this.gaps.set((one?.gaps ?? []).map((gap) => ({ ...gap, name: one.name })).reverse());
    this.gaps.element.hidden = !one?.gaps.length;
    this.noGaps.hidden = !this.gaps.element.hidden;
    showRefused(this.refused, refused);
  }
}

function describe(one) {
  const parts = [wordOf(one.state), `last seen ${since(one.last_seen)}`, `boot ${one.boot_seq}`, `up ${uptime(one)}`];
  if (one.reset_reason) parts.push(`reset: ${one.reset_reason}`);
  if (one.firmware) parts.push(`firmware ${one.firmware}`);
  if (one.signal !== null) parts.push(`signal ${one.signal} dBm`);
  if (one.clock_s !== null) parts.push(`clock ${clockOf(one)}`);
  parts.push(`${counted(one.missing, "line")} missing`, `${count(one.late)} late`);
  return parts.join(" · ");
}

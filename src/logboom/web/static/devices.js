// Devices: a row per device, in pages, with filters; or one device (device.js).

import { poll, read } from "/static/api.js";
import { OneDevice } from "/static/device.js";
import { INTERVAL_MS, REFUSED_MAX, at, eventSection, refusedSection, showEvents, showRefused, showTrend, since, stateOf, trend, uptime, wordOf } from "/static/devicefacts.js";
import { el, empty, setText } from "/static/dom.js";
import { labelled, setOptions } from "/static/filters.js";
import { bytes, clockOf, count, counted } from "/static/format.js";
import { go, link } from "/static/route.js";
import { Table } from "/static/tables.js";

export const title = "Devices";

const PAGE_ROWS = 100; // a table of more is slow to update, and nobody reads it
const TYPING_MS = 300;
const STATES = ["gaps", "crash_loop", "ok"];
const ORDERS = [["", "by name"], ["seen", "seen last"], ["missing", "most missing"]];

const COLUMNS = [
  { head: "Device", text: (one) => one.given_name || one.name, href: (one) => link("devices", { name: one.name, listener: one.listener }), hint: (one) => `${one.name}, ${one.listener}, ${one.peer}` },
  { head: "State", text: (one) => wordOf(one.state), state: stateOf },
  { head: "Last seen", text: (one) => since(one.last_seen), hint: (one) => at(one.last_seen) },
  { head: "Boots", text: (one) => count(one.boots), number: true, narrow: true, hint: (one) => one.reset_reason },
  { head: "Uptime", text: uptime, number: true, narrow: true },
  { head: "Firmware", text: (one) => one.firmware, narrow: true },
  { head: "Heap", text: (one) => (one.heap.length ? bytes(one.heap.at(-1)) : "–"), number: true, narrow: true },
  { head: "Trend", draw: trend, show: (svg, one) => showTrend(svg, one.heap), narrow: true },
  { head: "Missing", text: (one) => count(one.missing), number: true },
  { head: "Late", text: (one) => count(one.late), number: true, narrow: true },
  { head: "Clock", text: clockOf, number: true, narrow: true },
  { head: "Signal", text: (one) => (one.signal === null ? "–" : `${one.signal} dBm`), number: true, narrow: true },
];

/** Show all devices, or one: `name`, and `listener` where two have devices of that name. */
export function show(root, parameters) {
  let view = null;
  function update(wanted) {
    const name = wanted.get("name") ?? "";
    if (view?.isOf(name, wanted.get("listener") ?? "")) {
      view.update(wanted);
      return;
    }
    view?.close();
    root.replaceChildren();
    view = name ? new OneDevice(root, wanted) : new AllDevices(root, wanted);
  }
  update(parameters);
  return { update, close: () => view.close() };
}

class AllDevices {
  constructor(root, parameters) {
    this.summary = el("p", { class: "soft", role: "status" }, "loading");
    this.find = el("input", { name: "find", type: "search", maxlength: 200, autocomplete: "off", placeholder: "name, address, firmware", on: { input: () => this.#type() } });
    this.state = el("select", { name: "state", on: { change: () => this.#choose() } });
    this.order = el("select", { name: "order", on: { change: () => this.#choose() } }, ORDERS.map(([name, text]) => el("option", { value: name }, text)));
    this.table = new Table("Devices", COLUMNS, (one) => `${one.listener} ${one.name}`);
    this.before = el("a", {}, "Previous");
    this.after = el("a", {}, "Next");
    this.place = el("span", { class: "soft" });
    this.pages = el("nav", { class: "pages", "aria-label": "Pages" }, this.before, this.place, this.after);
    this.none = empty("No device has sent anything that counts its boots: lines with boot_seq, uptime_ms and seq.");
    this.events = eventSection();
    this.refused = refusedSection();
    this.form = el("form", { class: "filters", role: "search", "aria-label": "Devices", on: { submit: (event) => this.#submit(event) } },
      labelled("Find", this.find, "wide"), labelled("State", this.state), labelled("Order", this.order));
    root.append(el("h2", {}, "Devices"), this.form, this.summary, this.none, this.table.element, this.pages, this.events, this.refused);
    for (const element of [this.none, this.table.element, this.pages]) element.hidden = true;
    this.#take(parameters);
    this.polling = poll((signal) => this.#ask(signal), INTERVAL_MS);
  }

  isOf(name) {
    return !name;
  }

  update(parameters) {
    this.#take(parameters);
    this.polling.now();
  }

  close() {
    clearTimeout(this.typing);
    this.polling.stop();
  }

  #take(parameters) {
    this.chosen = { find: parameters.get("find") ?? "", state: parameters.get("state") ?? "", order: parameters.get("order") ?? "" };
    this.page = Math.max(1, Math.floor(Number(parameters.get("page"))) || 1);
    if (document.activeElement !== this.find) this.find.value = this.chosen.find;
    this.#showStates(null);
    this.order.value = this.chosen.order;
  }

  #showStates(states) {
    const text = (state) => (states === null ? wordOf(state) : `${wordOf(state)} (${count(states[state])})`);
    setOptions(this.state, [["", "any"], ...STATES.map((state) => [state, text(state)])], this.chosen.state);
  }

  #type() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.#choose(true), TYPING_MS);
  }

  #submit(event) {
    event.preventDefault();
    clearTimeout(this.typing);
    this.#choose();
  }

  #choose(replace = false) {
    go("devices", { find: this.find.value.trim(), state: this.state.value, order: this.order.value }, { replace });
  }

  async #ask(signal) {
    const { chosen, page } = this;
    const asked = { ...chosen, order: chosen.order || "name", limit: PAGE_ROWS, offset: (page - 1) * PAGE_ROWS };
    try {
      const [found, bad] = await Promise.all([read("/api/devices", asked, signal), read("/api/refused", { limit: REFUSED_MAX }, signal)]);
      if (chosen === this.chosen && page === this.page) this.#show(found, bad);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      setText(this.summary, error.message);
    }
  }

  #show(found, bad) {
    const { devices, total, missing, states } = found;
    const pages = Math.max(1, Math.ceil(total / PAGE_ROWS));
    if (this.page > pages) {
      go("devices", { ...this.chosen, page: pages }, { replace: true });
      return;
    }
    const isAny = total > 0 || Object.values(this.chosen).some((text) => text);
    this.none.hidden = isAny;
    this.form.hidden = !isAny;
    this.table.set(devices);
    this.table.element.hidden = !total;
    this.#showStates(states);
    setText(this.summary, `${counted(total, "device")}, ${counted(missing, "line")} missing`);
    this.pages.hidden = pages < 2;
    const first = (this.page - 1) * PAGE_ROWS;
    setText(this.place, `${count(first + 1)} to ${count(first + devices.length)} of ${count(total)}`);
    this.#showLink(this.before, this.page - 1, this.page > 1);
    this.#showLink(this.after, this.page + 1, this.page < pages);
    showEvents(this.events, found.events, true);
    showRefused(this.refused, bad);
  }

  #showLink(element, page, is_there) {
    if (is_there) element.setAttribute("href", link("devices", { ...this.chosen, page: page > 1 ? page : "" }));
    else element.removeAttribute("href");
    element.toggleAttribute("aria-disabled", !is_there);
  }
}

// Devices: a row per device; one device's own page with its boots, gaps, lines and refused lines.

import { poll, read } from "/static/api.js";
import { el, empty, reconcile, setText } from "/static/dom.js";
import { ago, bytes, count, counted, duration, instant } from "/static/format.js";
import { link } from "/static/route.js";
import { Table } from "/static/tables.js";

export const title = "Devices";

const INTERVAL_MS = 3000;
const LIMIT = 1000;
const REFUSED_MAX = 20;
const SVG = "http://www.w3.org/2000/svg";

const since = (iso) => ago((Date.now() - Date.parse(iso)) / 1000);
const at = (iso) => (iso ? instant(Date.parse(iso) / 1000) : "–");
const uptime = (one) => duration(one.uptime_ms === null ? null : one.uptime_ms / 1000);
const stateOf = (one) => (one.crash_loop ? "error" : one.missing ? "warning" : "ok");
const wordOf = (one) => (one.crash_loop ? "crash loop" : one.missing ? "gaps" : "ok");
const clockOf = (one) => (one.clock_s === null ? "–" : `${one.clock_s > 0 ? "+" : "−"}${duration(Math.abs(one.clock_s))}`);

/** A line of a value over time, without axes. */
function trend() {
  const line = document.createElementNS(SVG, "polyline");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 96 20");
  svg.setAttribute("class", "trend");
  svg.setAttribute("role", "img");
  svg.append(line);
  return svg;
}

function showTrend(svg, values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (place) => (96 * place) / Math.max(1, values.length - 1);
  const y = (one) => 18 - (16 * (one - low)) / (high - low || 1);
  const points = values.map((one, place) => `${x(place).toFixed(1)},${y(one).toFixed(1)}`).join(" ");
  if (svg.firstChild.getAttribute("points") !== points) svg.firstChild.setAttribute("points", points);
  const label = values.length ? `Heap ${bytes(values.at(-1))}, between ${bytes(low)} and ${bytes(high)}` : "No heap";
  if (svg.getAttribute("aria-label") !== label) svg.setAttribute("aria-label", label);
}

const COLUMNS = [
  { head: "Device", text: (one) => one.name, href: (one) => link("devices", { name: one.name }), hint: (one) => `${one.listener}, ${one.peer}` },
  { head: "State", text: wordOf, state: stateOf },
  { head: "Last seen", text: (one) => since(one.last_seen), hint: (one) => at(one.last_seen) },
  { head: "Boots", text: (one) => count(one.boots), number: true, narrow: true, hint: (one) => one.reset_reason },
  { head: "Uptime", text: uptime, number: true, narrow: true },
  { head: "Firmware", text: (one) => one.firmware, narrow: true },
  { head: "Heap", text: (one) => (one.heap.length ? bytes(one.heap.at(-1)) : "–"), number: true, narrow: true },
  { head: "Missing", text: (one) => count(one.missing), number: true },
  { head: "Late", text: (one) => count(one.late), number: true, narrow: true },
  { head: "Clock", text: clockOf, number: true, narrow: true },
  { head: "Signal", text: (one) => (one.signal === null ? "–" : `${one.signal} dBm`), number: true, narrow: true },
];

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

/** Show all devices, or one: `name`. */
export function show(root, parameters) {
  let [name, polling] = [null, null];
  function update(wanted) {
    if ((wanted.get("name") ?? "") === name) return;
    name = wanted.get("name") ?? "";
    polling?.stop();
    root.replaceChildren();
    const view = name ? oneDevice(root, name) : allDevices(root);
    polling = poll(async (signal) => {
      try {
        view.show(await view.ask(signal));
      } catch (error) {
        if (error.name === "AbortError") throw error;
        view.failed(error);
      }
    }, INTERVAL_MS);
  }
  update(parameters);
  return { update, close: () => polling.stop() };
}

function allDevices(root) {
  const summary = el("p", { class: "soft" }, "loading");
  const table = new Table("Devices", COLUMNS, (one) => `${one.listener} ${one.name}`);
  const refused = el("section", { hidden: true }, el("h2", {}, "Refused lines"), refusedList());
  const none = empty("No device has sent anything that counts its boots: lines with boot_seq, uptime_ms and seq.");
  none.hidden = true;
  root.append(el("h2", {}, "Devices"), summary, none, table.element, refused);
  return {
    ask: (signal) => askBoth({ limit: LIMIT }, {}, signal),
    show([found, bad]) {
      const shown = [...found.devices].sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
      table.set(shown);
      table.element.hidden = !shown.length;
      none.hidden = shown.length > 0;
      setText(summary, `${counted(found.total, "device")}, ${counted(found.missing, "line")} missing`);
      showRefused(refused, bad);
    },
    failed: (error) => setText(summary, error.message),
  };
}

function oneDevice(root, name) {
  const summary = el("p", { class: "soft" }, "loading");
  const heap = trend();
  const boots = new Table("Boots", BOOTS, (one) => String(one.boot_seq));
  const gaps = new Table("Gaps", GAPS, (one) => `${one.boot_seq} ${one.first} ${one.last}`);
  const noGaps = el("p", { class: "soft" }, "No line is missing.");
  const refused = el("section", { hidden: true }, el("h2", {}, "Refused lines"), refusedList());
  const links = el("p", {}, el("a", { href: link("devices") }, "All devices"), " · ",
    el("a", { href: link("search", { source: name }) }, "Its lines"), " · ",
    el("a", { href: link("charts", { source: name }) }, "Its charts"), " · ",
    el("a", { href: link("why", { source: name }) }, "Why is a line not here?"));
  root.append(el("h2", {}, name), links, summary, heap, el("h2", {}, "Boots"), boots.element,
    el("h2", {}, "Gaps"), noGaps, gaps.element, refused);
  return {
    async ask(signal) {
      const found = await read("/api/devices", { name }, signal);
      const source = found.devices[0]?.peer ?? name;
      return [found, await read("/api/refused", { source, limit: REFUSED_MAX }, signal)];
    },
    show([found, bad]) {
      const one = found.devices[0];
      setText(summary, one ? describe(one) : "There is no such device.");
      showTrend(heap, one?.heap ?? []);
      heap.toggleAttribute("hidden", (one?.heap.length ?? 0) < 2);
      boots.set([...(one?.boot_list ?? [])].reverse());
      gaps.set((one?.gaps ?? []).map((gap) => ({ ...gap, name })).reverse());
      gaps.element.hidden = !one?.gaps.length;
      noGaps.hidden = !gaps.element.hidden;
      showRefused(refused, bad);
    },
    failed: (error) => setText(summary, error.message),
  };
}

function describe(one) {
  const parts = [wordOf(one), `last seen ${since(one.last_seen)}`, `boot ${one.boot_seq}`, `up ${uptime(one)}`];
  if (one.reset_reason) parts.push(`reset: ${one.reset_reason}`);
  if (one.firmware) parts.push(`firmware ${one.firmware}`);
  if (one.clock_s !== null) parts.push(`clock ${clockOf(one)}`);
  parts.push(`${counted(one.missing, "line")} missing`, `${count(one.late)} late`);
  return parts.join(" · ");
}

const askBoth = (devices, refused, signal) =>
  Promise.all([read("/api/devices", devices, signal), read("/api/refused", { ...refused, limit: REFUSED_MAX }, signal)]);

const refusedList = () => el("ul", { class: "alert-list refused" });

function showRefused(section, { refused, total }) {
  section.hidden = !refused.length;
  setText(section.firstElementChild, `Refused lines (${count(total)})`);
  reconcile(section.lastElementChild, refused, (one) => String(one.id), makeRefused, () => {});
}

function makeRefused(one) {
  const head = `${at(one.at)} · ${one.listener} · ${one.source}: ${one.reason}`;
  return el("li", {}, el("span", { class: "what" }, head), el("code", {}, one.text ?? "(its bytes are not kept)"));
}

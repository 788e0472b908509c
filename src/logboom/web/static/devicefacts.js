// What the list of devices and the page of one device share: texts of a device, its trend, refused lines.

import { el, reconcile, setText } from "/static/dom.js";
import { ago, bytes, count, counted, duration, instant } from "/static/format.js";
import { link } from "/static/route.js";

const SVG = "http://www.w3.org/2000/svg";
const STATES = { ok: "ok", gaps: "warning", crash_loop: "error" };

export const INTERVAL_MS = 3000;
export const REFUSED_MAX = 20;
const EVENTS_MAX = 20;

export const since = (iso) => ago((Date.now() - Date.parse(iso)) / 1000);
export const at = (iso) => (iso ? instant(Date.parse(iso) / 1000) : "–");
export const uptime = (one) => duration(one.uptime_ms === null ? null : one.uptime_ms / 1000);
export const stateOf = (one) => STATES[one.state];
export const wordOf = (state) => state.replace("_", " ");

/** A line of a value over time, without axes. */
export function trend() {
  const line = document.createElementNS(SVG, "polyline");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 96 20");
  svg.setAttribute("class", "trend");
  svg.setAttribute("role", "img");
  svg.append(line);
  return svg;
}

/** Show the values of the heap as a trend; without two of them, nothing. */
export function showTrend(svg, values) {
  svg.toggleAttribute("hidden", values.length < 2);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (place) => (96 * place) / Math.max(1, values.length - 1);
  const y = (one) => 18 - (16 * (one - low)) / (high - low || 1);
  const points = values.map((one, place) => `${x(place).toFixed(1)},${y(one).toFixed(1)}`).join(" ");
  if (svg.firstChild.getAttribute("points") !== points) svg.firstChild.setAttribute("points", points);
  const label = values.length ? `Heap ${bytes(values.at(-1))}, between ${bytes(low)} and ${bytes(high)}` : "No heap";
  if (svg.getAttribute("aria-label") !== label) svg.setAttribute("aria-label", label);
}

/** A section for the last events, hidden while there are none. */
export const eventSection = () => el("section", { hidden: true }, el("h2", {}, "Events"), el("ul", { class: "alert-list events" }));

/** Show the last events. `named`: with the name of the device of each. */
export function showEvents(section, events, named) {
  section.hidden = !events.length;
  const shown = events.slice(0, EVENTS_MAX);
  reconcile(section.lastElementChild, shown, (one) => JSON.stringify([one.kind, one.listener, one.name, one.at, one.boot, one.first]), (one) => {
    const name = named ? el("a", { href: link("devices", { name: one.name, listener: one.listener }) }, one.given_name || one.name) : null;
    return el("li", {}, el("span", { class: "state", data: { state: one.kind === "gap" ? "warning" : "none" } }, one.kind), el("span", { class: "what" }, name, named ? " " : null, el("span")), el("span", { class: "soft small" }, at(one.at)));
  }, (row, one) => setText(row.children[1].lastElementChild, eventText(one)));
}

function eventText(one) {
  if (one.kind === "gap") return `${counted(one.lines, "line")} missing, seq ${one.first === one.last ? one.first : `${one.first}–${one.last}`} of boot ${one.boot}`;
  return `boot ${one.boot} after boot ${one.before}${one.uptime_ms === null ? "" : `, which ran for ${uptime(one)}`}${one.reason ? `, reset: ${one.reason}` : ""}`;
}

/** A section for refused lines, hidden while there are none. */
export const refusedSection = () => el("section", { hidden: true }, el("h2", {}, "Refused lines"), el("ul", { class: "alert-list refused" }));

export function showRefused(section, { refused, total }) {
  section.hidden = !refused.length;
  setText(section.firstElementChild, `Refused lines (${count(total)})`);
  reconcile(section.lastElementChild, refused, (one) => String(one.id), makeRefused, () => {});
}

function makeRefused(one) {
  const head = `${at(one.at)} · ${one.listener} · ${one.source}: ${one.reason}`;
  return el("li", {}, el("span", { class: "what" }, head), el("code", {}, one.text ?? "(its bytes are not kept)"));
}

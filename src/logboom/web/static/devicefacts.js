// What the list of devices and the page of one device share: texts of a device, its trend, refused lines.

import { el, reconcile, setText } from "/static/dom.js";
import { ago, bytes, count, duration, instant } from "/static/format.js";

const SVG = "http://www.w3.org/2000/svg";
const STATES = { ok: "ok", gaps: "warning", crash_loop: "error" };

export const INTERVAL_MS = 3000;
export const REFUSED_MAX = 20;

export const since = (iso) => ago((Date.now() - Date.parse(iso)) / 1000);
export const at = (iso) => (iso ? instant(Date.parse(iso) / 1000) : "–");
export const uptime = (one) => duration(one.uptime_ms === null ? null : one.uptime_ms / 1000);
export const stateOf = (one) => STATES[one.state];
export const wordOf = (state) => state.replace("_", " ");
export const clockOf = (one) => (one.clock_s === null ? "–" : `${one.clock_s > 0 ? "+" : "−"}${duration(Math.abs(one.clock_s))}`);

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

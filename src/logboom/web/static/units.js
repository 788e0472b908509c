// Numbers with the unit that their field's name names, for people.

import { bytes, exact, value } from "/static/format.js";

const UNITS = { temp: "°C", rh: "%", lux: "lx", irradiance: "W/m²" };
const BYTES = /^(heap|spiffs|free_psram|psram|bytes)|_bytes$/;
const DURATION = /(?:^|_)(ns|us|ms|millis|seconds|secs)$|_(s)$|[a-z0-9](Ns|Us|Ms|Millis|Seconds|Secs)$/;
const IN_MS = { ns: 1e-6, us: 1e-3, ms: 1, millis: 1, s: 1000, secs: 1000, seconds: 1000 };
const DERIVED = "irradiance"; // few sensors send it: it is made of the lux
const STEPS = [["d", 86_400_000, 2], ["h", 3_600_000, 2], ["min", 60_000, 2], ["s", 1000, 1], ["ms", 1, 1]]; // the third: from how many on

const decimal = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const significant = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });

/** A duration in one unit, such as `3.0 d` or `35 ms`. */
export function time(duration_ms) {
  const size = Math.abs(duration_ms);
  for (const [unit, unit_ms, from] of STEPS) {
    if (size >= from * unit_ms) return `${(unit === "ms" || size >= 100 * unit_ms ? whole : decimal).format(duration_ms / unit_ms)} ${unit}`;
  }
  return size === 0 ? "0 ms" : size >= 1e-3 ? `${significant.format(duration_ms * 1000)} µs` : `${significant.format(duration_ms * 1e6)} ns`;
}

/** The factor by which a field's values become ms, or null for other fields. */
export function millisecondsOf(name) {
  const match = DURATION.exec(name.slice(name.lastIndexOf(".") + 1));
  return match ? IN_MS[(match[1] ?? match[2] ?? match[3]).toLowerCase()] : null;
}

/** Formatting of a field's values: `sent` for original ones, with all digits; `calculated` for means; `mark` for axes. */
export function writersOf(name) {
  const last = name.slice(name.lastIndexOf(".") + 1);
  const known = (write) => (number) => (number === null || number === undefined ? "–" : write(number));
  if (BYTES.test(last)) return { sent: bytes, calculated: bytes, mark: bytes };
  const factor = millisecondsOf(last);
  const inTime = known((number) => time(Number(number) * factor));
  if (factor) return { sent: inTime, calculated: inTime, mark: inTime };
  const unit = UNITS[last] ? ` ${UNITS[last]}` : "";
  const withUnit = (write) => known((number) => `${write(number)}${unit}`);
  return { sent: withUnit(last === DERIVED ? value : exact), calculated: withUnit(value), mark: null };
}

// Formatting of numbers, times and levels.

import { dayStart, dayText, minutes, seconds } from "/static/zone.js";

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const significant = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });
const LARGE = 1e6;

/** A count, in full. */
export const count = (number) => whole.format(number ?? 0);
/** A count, in few characters. */
export const compact = (number) => (number < 10_000 ? whole.format(number ?? 0) : short.format(number));
/** A count with its noun. */
export const counted = (number, noun, plural = `${noun}s`) => `${count(number)} ${number === 1 ? noun : plural}`;

/** A calculated value, in few characters. */
export function value(number) {
  if (number === null || number === undefined) return "–";
  return Math.abs(number) >= LARGE ? short.format(number) : significant.format(number);
}

const point = new Intl.NumberFormat().formatToParts(1.5).find((part) => part.type === "decimal").value;
const GROUPED_DIGITS_MAX = 15; // longer ones are names, such as ids, and are not grouped

/** A number with all its digits. Takes `Digits`, too. */
export function exact(number) {
  if (number === null || number === undefined) return "–";
  const text = String(number);
  const [, sign, digits, , decimals] = /^(-?)(\d+)(\.(\d+))?$/.exec(text) ?? [];
  if (digits === undefined || digits.length > GROUPED_DIGITS_MAX) return text;
  return `${sign}${whole.format(BigInt(digits))}${decimals ? `${point}${decimals}` : ""}`;
}

/** Bytes in powers of 1024. */
export function bytes(number) {
  if (number === null || number === undefined) return "–";
  let [rest, step] = [Number(number), 0];
  while (rest >= 1024 && step < 4) [rest, step] = [rest / 1024, step + 1];
  const digits = step && rest < 100 ? 1 : 0;
  return `${rest.toFixed(digits)} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
}

/** A share in whole per cent; 100 % only for the whole. */
export const percent = (share) => `${Math.min(99, Math.floor(share * 100))} %`;

/** A rate: below ten with one decimal. */
export function rate(number) {
  return number > 0 && number < 10 ? number.toFixed(1) : compact(Math.round(number ?? 0));
}

/** Seconds as the two largest units. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  const hours = Math.floor((s % 86_400) / 3600);
  return `${Math.floor(s / 86_400)} d${hours ? ` ${hours} h` : ""}`;
}

/** The clock of a source: how far it is ahead of arrivals, or behind; marked where it can't be right. */
export function clockOf({ clock_s, clock_off }) {
  if (clock_s === null) return "–";
  if (clock_off && clock_s < 0) return "⚠ not set"; // it shows a time before 2000
  return `${clock_off ? "⚠ " : ""}${clock_s > 0 ? "+" : "−"}${duration(Math.abs(clock_s))}`;
}

/** How long ago, in one unit: it changes rarely. */
export function ago(seconds) {
  const s = Math.max(0, seconds);
  if (s < 2) return "now";
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  return s < 86_400 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86_400)} d ago`;
}

/** The time of day with ms. */
export function clock(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? String(iso) : `${seconds(at)}.${String(at.getUTCMilliseconds()).padStart(3, "0")}`;
}

/** Day and time of day. */
export function moment(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? String(iso) : `${dayText(at)}, ${clock(iso)}`;
}

/** A start time: the time of day, with the day if it is not today. */
export function since(epoch_ms) {
  const at = new Date(epoch_ms);
  return dayStart(epoch_ms) === dayStart(Date.now()) ? seconds(at) : `${dayText(at)}, ${seconds(at)}`;
}

/** Seconds since the epoch as day and time, for the head of a chart. */
export function instant(epoch_s, with_seconds = true) {
  const at = new Date(epoch_s * 1000);
  return `${dayText(at)}, ${with_seconds ? seconds(at) : minutes(at)}`;
}

/** A time range, with the day once. */
export function period(from_s, to_s) {
  const [from, to] = [instant(from_s), instant(to_s)];
  const shared = dayText(new Date(to_s * 1000)).length + ", ".length;
  return `${from} – ${from.slice(0, shared) === to.slice(0, shared) ? to.slice(shared) : to}`;
}

/** The classes of levels that have a colour, in increasing severity; the first is for unknown levels. */
export const CLASSES = ["none", "debug", "info", "warning", "error", "critical"];

const LEVEL_CLASS = {
  NOTSET: "debug", TRACE: "debug", DEBUG: "debug", STREAM: "debug",
  INFO: "info", NOTICE: "info", LOGON: "info", LOGOUT: "info", TRADE: "info", SCHEDULE: "info", REPORT: "info",
  WARNING: "warning", ERROR: "error", CRITICAL: "critical", ALERT: "critical", EMERGENCY: "critical",
};

/** The class of a level's canonical name. */
export const levelClass = (level) => (Object.hasOwn(LEVEL_CLASS, level) ? LEVEL_CLASS[level] : "none");

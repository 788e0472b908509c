// The time zone of everything that the page shows: this machine's, or UTC. Kept by the browser.

import { keep, kept } from "/static/kept.js";

const two = (number) => String(number).padStart(2, "0");
let utc = kept("utc", false) === true;
let day = dayFormat();

function dayFormat() {
  return new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: utc ? "UTC" : undefined });
}

/** Return whether times are shown in UTC. */
export const isUtc = () => utc;

/** Show times in UTC, or in this machine's zone. `zone` is dispatched: what is shown has to be drawn again. */
export function setUtc(wanted) {
  utc = wanted;
  keep("utc", wanted);
  day = dayFormat();
  dispatchEvent(new Event("zone"));
}

/** A moment with the fields of the zone. */
const shifted = (at) => (utc ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000));

/** Hours and minutes, such as `14:05`. */
export function minutes(at) {
  const local = shifted(at);
  return `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}`;
}

/** The time of day to the second, such as `14:05:09`. */
export const seconds = (at) => `${minutes(at)}:${two(at.getUTCSeconds())}`;

/** The day, such as `Dec 1`. */
export const dayText = (at) => day.format(at);

/** The beginning of the day of a time, ms since the epoch. */
export function dayStart(time_ms) {
  const at = new Date(time_ms);
  return utc ? Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()) : new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}

/** Convert a date and time of a form to ISO 8601 in UTC; empty for empty. */
export function toIso(local) {
  const at = new Date(utc && local ? `${local}Z` : local);
  return local && !Number.isNaN(at.getTime()) ? at.toISOString() : "";
}

/** Convert ISO 8601 to a date and time of a form. */
export function toLocal(iso) {
  const at = new Date(iso);
  return !iso || Number.isNaN(at.getTime()) ? "" : shifted(at).toISOString().slice(0, 19);
}

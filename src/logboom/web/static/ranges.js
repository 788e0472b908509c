// Time ranges: ages such as `3d`, days, and fixed ones.

import { dayStart } from "/static/zone.js";

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const DAY_MS = UNIT_MS.d;
const PART = /(\d+(?:\.\d+)?)\s*(s|sec|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?![a-z])\s*/giy;
const PRESETS = [["15m", "15 min"], ["1h", "1 hour"], ["6h", "6 hours"], ["24h", "24 hours"], ["3d", "3 days"], ["7d", "7 days"], ["30d", "30 days"]];
const DAYS = [["today", "today"], ["yesterday", "yesterday"]];

/** Ages that charts offer. */
export const AGES = PRESETS;
/** Choices of a range: `last` has an age of its own, `own` a begin and an end. */
export const CHOICES = [...PRESETS, ...DAYS, ["all", "everything"], ["last", "last …"], ["own", "from … to"]];
const NAMED = new Set([...PRESETS, ...DAYS, ["all"]].map(([name]) => name));

/** The length of an age such as `3d`, `1h30m` or `last 3 d`, ms; null: it is none. */
export function ageOf(text) {
  const words = text.trim().toLowerCase().replace(/^last\s+/, "").replace(/\s*ago$/, "");
  let [sum, end] = [0, 0];
  for (const [part, number, unit] of words.matchAll(PART)) {
    sum += Number(number) * UNIT_MS[unit[0]];
    end += part.length;
  }
  return words && end === words.length && sum > 0 ? sum : null;
}

/** The begin and the end of a named day, ISO 8601. */
function dayOf(name, now_ms) {
  const start = name === "today" ? dayStart(now_ms) : dayStart(dayStart(now_ms) - DAY_MS / 2);
  const iso = (time_ms) => new Date(time_ms).toISOString();
  return name === "today" ? { since: iso(start), until: "" } : { since: iso(start), until: iso(dayStart(start + 1.5 * DAY_MS)) };
}

/** A range of the address with a fixed begin: `since` and `until` are ISO 8601 or empty, for the API. */
export function fixed({ since, until }, now_ms) {
  if (since === "all") return { since: "", until };
  if (DAYS.some(([name]) => name === since)) return dayOf(since, now_ms);
  const age = ageOf(since);
  if (age === null) return { since, until };
  const end = until ? Date.parse(until) : now_ms;
  return { since: new Date(end - age).toISOString(), until };
}

/** The choice of a range of the address, and the age for `last`. */
export function choiceOf({ since, until }) {
  if (!until && NAMED.has(since)) return { range: since, last: "" };
  if (!until && ageOf(since) !== null) return { range: "last", last: since };
  return { range: "own", last: "" };
}

// The sender of an entry, as in the server (formats/records.py, `sender`), whose name is used in filters; and the
// text of an entry in lists. Fields may contain any JSON.

import { isNumber, isObject, written } from "/static/exact.js";

const SENDER_KEYS = [
  "source", "device", "device_id", "deviceId", "sensor_id", "sensorId",
  "service_name", "serviceName", "service", "hostname", "fromName", "host",
];
const READING_KEYS = ["temp", "rh", "lux"];
const TIME_KEYS = ["ts", "time", "timestamp", "@timestamp"];
const MESSAGE_KEYS = ["msg", "message"];
const SUMMARY_FIELDS_MAX = 20; // more than a line holds
const CHARACTERS_MAX = 128;
const NUMBERED_MAX = 1e18;

/** The name of the sender in an entry, else its address. */
export function senderOf(item) {
  const entry = item.entry ?? {};
  for (const key of SENDER_KEYS) {
    const name = named(entry[key]);
    if (name) return name;
  }
  return (isReading(entry) && named(entry.id)) || item.source;
}

function named(value) {
  if (typeof value === "string") return value.slice(0, CHARACTERS_MAX);
  return isNumber(value) && Math.abs(value) < NUMBERED_MAX ? numbered(String(value)) : "";
}

/** A number as the name of a sender, in Python's notation like the server's. */
function numbered(text) {
  if (/^-?\d+$/.test(text)) return String(BigInt(text));
  const number = Number(text);
  const size = Math.abs(number);
  if (number && (size >= 1e16 || size < 1e-4)) return number.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return Number.isInteger(number) ? `${number}.0` : String(number);
}

function isReading(entry) {
  return READING_KEYS.every((key) => entry[key] !== null && entry[key] !== "" && !isObject(entry[key]) && Number.isFinite(Number(entry[key])));
}

/** The message of an entry; null: it has none, and the server uses the whole entry as JSON. */
export function messageOf(item) {
  const own = MESSAGE_KEYS.map((key) => item.entry?.[key]).find((value) => value !== null && value !== undefined);
  if (own === undefined) return item.entry && item.message.startsWith("{") ? null : item.message;
  if (Array.isArray(own) && own.every((line) => typeof line === "string")) return own.join("\n");
  return written(own);
}

/** An entry on one line: its message, else its fields without those in other columns. */
export function summaryOf(item) {
  const message = messageOf(item);
  if (message !== null) return message;
  const sender = senderOf(item);
  const fields = Object.entries(item.entry).filter(([name, value]) => written(value) !== sender && !TIME_KEYS.includes(name));
  const texts = fields.slice(0, SUMMARY_FIELDS_MAX).map(([name, value]) => `${name}=${written(value)}`);
  return texts.join("  ") || item.message;
}

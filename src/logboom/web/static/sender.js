// Who sent an entry, as the server has it (formats/records.py, `sender`): the name is what a filter takes. And what
// a list shows of an entry.

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

/** The name that an entry's sender gives itself, else its address. */
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
  return typeof value === "number" && Math.abs(value) < NUMBERED_MAX ? String(value) : "";
}

function isReading(entry) {
  return READING_KEYS.every((key) => entry[key] !== null && entry[key] !== "" && Number.isFinite(Number(entry[key])));
}

/** Whether an entry says something itself; else its message is the whole entry as JSON. */
export function hasMessage(item) {
  return MESSAGE_KEYS.some((key) => item.entry?.[key] !== null && item.entry?.[key] !== undefined);
}

/** An entry on one line: its message, else its fields without those that stand beside it. */
export function summaryOf(item) {
  if (hasMessage(item) || !item.entry) return item.message;
  const sender = senderOf(item);
  const fields = Object.entries(item.entry).filter(([name, value]) => String(value) !== sender && !TIME_KEYS.includes(name));
  const texts = fields.slice(0, SUMMARY_FIELDS_MAX).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  return texts.join("  ") || item.message;
}

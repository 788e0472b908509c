// Storage: size of the journal on disk, its growth, packing, and when the disk will be full.

import { poll, read } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { Figures } from "/static/figures.js";
import { ago, bytes, count, counted, duration, instant } from "/static/format.js";
import { Table } from "/static/tables.js";

export const title = "Storage";

const INTERVAL_MS = 10_000;

const at = (iso) => (iso ? instant(Date.parse(iso) / 1000, false) : "–");
const secondsTo = (iso) => (Date.parse(iso) - Date.now()) / 1000;

const FORMS = [
  { head: "Form", text: (one) => one.form },
  { head: "Files", text: (one) => count(one.segments), number: true },
  { head: "On disk", text: (one) => bytes(one.bytes), number: true, hint: (one) => `${count(one.bytes)} bytes` },
  { head: "Lines", text: (one) => bytes(one.lines_bytes), number: true, hint: (one) => `${count(one.lines_bytes)} bytes` },
  { head: "Smaller", text: (one) => (one.ratio ? `${one.ratio.toFixed(1)} times` : "–"), number: true },
];

const STATES = {
  off: () => "Packing is off (archive.pack_after_s = 0).",
  waiting: ({ after_s }) => `Files are packed ${duration(after_s)} after their last entry.`,
  packing: ({ segment }) => `Packing ${segment}.`,
  failed: ({ trouble }) => `Packing failed: ${trouble}. The file stays as it is.`,
};

function retentionOf({ age_s, bytes_max }) {
  const limits = [];
  if (age_s) limits.push(`older than ${duration(age_s)}`);
  if (bytes_max) limits.push(`beyond ${bytes(bytes_max)}`);
  return limits.length ? `Entries ${limits.join(" or ")} are deleted.` : "Nothing is deleted: there is no retention.";
}

function fullOf({ growth, full_at, retention }) {
  if (growth === null) return ["–", "known after an hour of entries"];
  if (full_at === null) return ["never", retention.age_s || retention.bytes_max ? "retention deletes before" : "nothing grows"];
  return [`in ${duration(secondsTo(full_at))}`, at(full_at)];
}

const figuresOf = (found) => [
  ["Journal", bytes(found.bytes), counted(found.entries, "entry", "entries")],
  ["Oldest entry", found.oldest ? ago(-secondsTo(found.oldest)) : "–", at(found.oldest)],
  ["Growth per day", bytes(found.growth?.disk_bytes_per_day), `${bytes(found.growth?.lines_bytes_per_day)} of lines`],
  ["Disk free", bytes(found.free_bytes), `${bytes(found.free_bytes_min)} stay free`],
  ["Disk full", ...fullOf(found)],
];

/** Show the storage. */
export function show(root) {
  const figures = new Figures();
  const table = new Table("Files of the journal", FORMS, (one) => one.form);
  const [packing, retention] = [el("p", {}, "loading"), el("p", { class: "soft" })];
  root.append(el("h2", {}, "Storage"), figures.element, table.element, packing, retention);
  const polling = poll(async (signal) => {
    try {
      const found = await read("/api/storage", {}, signal);
      figures.set(figuresOf(found));
      table.set([{ form: "plain", ...found.plain, lines_bytes: found.plain.bytes }, { form: "packed", ...found.packed }]);
      setText(packing, STATES[found.packing.state](found.packing));
      setText(retention, retentionOf(found.retention));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      setText(packing, error.message);
    }
  }, INTERVAL_MS);
  return { update() {}, close: () => polling.stop() };
}

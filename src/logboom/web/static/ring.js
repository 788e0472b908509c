// The newest entries of a stream: limited in number and in bytes, with stable indexes.

import { parse } from "/static/exact.js";

export const ENTRIES_MAX = 50_000; // an hour of a busy service; the journal has the rest
const CHARACTERS_MAX = 64e6; // entries may have a megabyte each: their number is no bound

/** Entries as JSON texts, parsed at access. */
export class Ring {
  constructor(entries_max = ENTRIES_MAX) {
    this.entries_max = entries_max;
    this.clear();
  }

  clear() {
    this.items = new Map(); // by index; insertion order, so the oldest goes first
    this.first = 0;
    this.end = 0;
    this.characters = 0;
  }

  /** Add an entry's JSON, or an object such as `{note}`. Returns the number of removed old ones. */
  push(item) {
    this.items.set(this.end, item);
    this.end += 1;
    this.characters += sizeOf(item);
    const before = this.first;
    while (this.end - this.first > this.entries_max || (this.characters > CHARACTERS_MAX && this.end - this.first > 1)) {
      this.characters -= sizeOf(this.items.get(this.first));
      this.items.delete(this.first);
      this.first += 1;
    }
    return this.first - before;
  }

  /** The entry with an index. */
  at(index) {
    const item = this.items.get(index);
    if (typeof item !== "string") return item;
    const parsed = parse(item);
    parsed.size = item.length; // what it counted stays what it counts
    this.items.set(index, parsed);
    return parsed;
  }
}

function sizeOf(item) {
  return typeof item === "string" ? item.length : (item.size ?? 200);
}

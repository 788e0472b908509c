// The live stream: reads /api/tail from a position on, resumes there after an interruption, and never lags far behind.

import { address, read } from "/static/api.js";

const RETRY_MS = 1000;
const CHECK_MS = 3000;
const BUSY_ENTRIES = 3000; // between two checks: below, the stream can't be behind for want of speed
const LAG_MS = 5000;
const LAG_ENTRIES_MAX = 50_000; // more than the list keeps: reading it all first would be for nothing
const KEPT_ENTRIES = 500; // shown after a jump

/**
 * A tail of the journal.
 * @param {Object} filters of the API.
 * @param {number} after the last known sequence.
 * @param {{
 *   add: (sequence: number, text: string) => void,
 *   gap: (first: number, last: number) => void,
 *   skipped: (first: number, last: number) => void,
 *   state: (state: string, text: string) => void,
 *   lost: () => void,
 * }} tell `add`: an entry's JSON, not parsed, as most are never displayed. `gap`: deleted before they were read.
 *   `skipped`: more entries than can be sent. `lost`: the journal is another one, start again.
 */
export class Tail {
  constructor(filters, after, tell) {
    this.filters = filters;
    this.last = after;
    this.tell = tell;
    this.closed = false;
    this.broken = false;
    this.behind_ms = 0;
    this.since_check = 0;
    this.newest = ""; // the JSON of the last entry
    this.#connect();
    this.checking = setInterval(() => this.#check(), CHECK_MS);
  }

  close() {
    this.closed = true;
    this.stream?.close();
    clearInterval(this.checking);
    clearTimeout(this.retry);
  }

  #connect() {
    const stream = new EventSource(address("/api/tail", { ...this.filters, after: this.last }));
    this.stream = stream;
    stream.onopen = () => {
      this.tell.state("live", "live");
      if (this.broken) this.#confirm();
      this.broken = false;
    };
    stream.onmessage = (event) => {
      const sequence = Number(event.lastEventId);
      if (sequence <= this.last || this.closed) return;
      this.last = sequence;
      this.since_check += 1;
      this.newest = event.data;
      this.tell.add(sequence, event.data);
    };
    stream.addEventListener("gap", (event) => {
      const { first, last } = JSON.parse(event.data).gap;
      this.last = Math.max(this.last, last);
      this.tell.gap(first, last);
    });
    stream.onerror = () => {
      if (this.closed || stream !== this.stream) return;
      this.broken = true;
      this.tell.state("broken", "reconnecting");
      // The page reconnects itself: `after` replaces Last-Event-ID.
      stream.close();
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.#connect(), RETRY_MS);
    };
  }

  /** Check after an interruption that the journal is the same: an emptied one starts again at 0. */
  async #confirm() {
    try {
      const { after } = await read("/api/entries", { limit: 1 });
      if (!this.closed && after < this.last) this.tell.lost();
    } catch {
      // the stream reports it
    }
  }

  /** Determine the lag under load. Both times are the server's, so this machine's clock does not matter. */
  async #check() {
    const busy = this.since_check >= BUSY_ENTRIES;
    this.since_check = 0;
    if (!busy || this.checks) return;
    this.checks = true;
    try {
      const seen = { last: this.last, at: Date.parse(JSON.parse(this.newest).received_at) };
      const { entries } = await read("/api/entries", { ...this.filters, limit: 1 });
      if (this.closed || !entries.length) return;
      const lag_ms = Date.parse(entries[0].received_at) - seen.at;
      const lag = entries[0].sequence - seen.last;
      const falls_back = lag_ms > LAG_MS && this.behind_ms && lag_ms >= this.behind_ms;
      this.behind_ms = lag_ms > LAG_MS ? lag_ms : 0;
      if (falls_back || lag > LAG_ENTRIES_MAX) this.#jump(entries[0].sequence - KEPT_ENTRIES);
    } catch {
      // the next check follows soon
    } finally {
      this.checks = false;
    }
  }

  /** Continue at a newer position, and report it. */
  #jump(to) {
    if (to <= this.last + 1) return;
    this.stream.close();
    this.tell.skipped(this.last + 1, to - 1);
    this.last = to - 1;
    this.behind_ms = 0;
    this.#connect();
  }
}

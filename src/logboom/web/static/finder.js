// Search through the journal, newest first, in several requests: each is limited to some seconds.

import { readEntries } from "/static/api.js";

const PAGE = 200; // entries of one answer

/** One search. `changed` is called after each result and each change of its progress. */
export class Finder {
  /**
   * @param {Object} query of the API, with a fixed time range.
   * @param {(finder: Finder) => void} changed
   */
  constructor(query, changed) {
    this.query = query;
    this.changed = changed;
    this.found = [];
    this.running = false;
    this.ended = false; // all of the range was looked at
    this.trouble = ""; // why the search does not continue
    this.stopped = false; // the user stopped it
    this.reached_at = null; // ISO time up to which all was looked at
    this.share = 0; // of the range that was looked at
    this.before = null;
  }

  /** Search until `PAGE` more entries are found, or the end of the range is reached. Throws the error of a wrong query. */
  async more() {
    if (this.running || this.ended) return;
    const { signal } = (this.abort = new AbortController());
    [this.running, this.stopped, this.trouble] = [true, false, ""];
    this.changed(this);
    try {
      for (let wanted = PAGE; wanted > 0 && !this.ended; ) {
        const page = await readEntries({ ...this.query, limit: wanted, before: this.before }, signal);
        wanted -= page.entries.length;
        this.#take(page);
        if (wanted > 0 && !this.ended) this.changed(this);
      }
    } catch (error) {
      if (error.status === 400) throw error; // the query can't be read
      if (error.name !== "AbortError") this.trouble = error.message;
    } finally {
      this.running = false;
      this.changed(this);
    }
  }

  /** Pause the search; `more` continues it. */
  stop() {
    this.stopped = this.running;
    this.abort?.abort();
  }

  /** End the search; `changed` is not called any more. */
  close() {
    this.changed = () => {};
    this.abort?.abort();
  }

  #take(page) {
    for (const entry of page.entries) this.found.push({ ...entry, dated: true, by_arrival: this.query.by === "received" });
    this.end ??= page.after + 1;
    this.ended = !page.more;
    this.before = page.before;
    this.reached_at = page.reached_at ?? this.reached_at;
    const whole = this.end - page.first;
    this.share = this.ended ? 1 : whole > 0 ? (this.end - page.before) / whole : 0;
  }
}

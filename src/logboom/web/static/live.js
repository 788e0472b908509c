// Live: new entries as they arrive.

import { poll, read, readEntries } from "/static/api.js";
import { addressOf, askedOf, SHARED, sharedOf } from "/static/asking.js";
import { ColumnMenu } from "/static/columns.js";
import { narrowed } from "/static/conditions.js";
import { curlLine, el, empty, setData, setText } from "/static/dom.js";
import { closeEntry, openEntry } from "/static/entry.js";
import { FacetPanel } from "/static/facets.js";
import { FilterForm } from "/static/filters.js";
import { count, moment } from "/static/format.js";
import { QueryError } from "/static/queryerror.js";
import { go } from "/static/route.js";
import { Ring } from "/static/ring.js";
import { Rows } from "/static/rows.js";
import { savedMenu } from "/static/saved.js";
import { Tail } from "/static/tail.js";
import { VolumeChart } from "/static/volume.js";

export const title = "Live";

const HISTORY = 500;
const PENDING_MAX = 10_000; // while paused; then the stream is closed, and continues from its position at resume
const DRAW_MS = 60; // fast enough for reading; leaves time for other work under load
const NEAR_END_PX = 30;
const RETRY_MS = 2000;
const RATE_MS = 1000;
const panel = document.getElementById("entry");
const FACETS_RANGE = "1h";
const FACETS_MS = 20_000;
const VOLUME_RANGE = "15m";
const VOLUME_MS = 3000;
const VOLUME_BUCKETS = 90;
const VOLUME_PX = 90;

class Live {
  constructor(root, parameters) {
    this.ring = new Ring();
    this.pending = [];
    this.paused = false;
    this.following = true;
    this.total = 0;
    this.skipped = 0;
    this.top = 0;
    this.filters = this.asked = {};
    this.form = new FilterForm("Filter the live entries", SHARED, (values, { typing }) => this.#go(values, typing));
    this.pause = el("button", { type: "button", "aria-pressed": "false", on: { click: () => this.#toggle() } }, "Pause");
    this.state = el("span", { class: "stream", data: { state: "broken" } }, el("span", { class: "dot" }), el("span", {}, "connecting"));
    this.count = el("span", { class: "soft" });
    this.loss = el("span", { class: "loss", role: "status" });
    this.form.element.append(this.pause);
    this.wrong = new QueryError(this.form.controls.q);
    this.scroller = el("div", { class: "scroller" });
    const items = { first: () => this.ring.first, end: () => this.ring.end, at: (index) => this.ring.at(index) };
    this.rows = new Rows(this.scroller, "Log entries, newest last", items, (item) => this.#open(item));
    this.empty = empty("Waiting for the first entry. Send one:", curlLine());
    this.none = empty("Nothing matches these filters yet.", el("p", {}, el("a", { href: "#/live" }, "Show all")));
    this.menu = new ColumnMenu(() => this.rows.look(this.menu), () => this.form.completion.fields());
    this.rows.look(this.menu);
    this.saved = savedMenu(() => ({ columns: this.menu.text }));
    this.facets = new FacetPanel((text) => this.#go({ ...this.filters, q: narrowed(this.filters.q, text) }, false), (facets) => this.form.completion.know(facets));
    this.volume = new VolumeChart(({ from, to }) => this.#zoom(from, to), VOLUME_PX);
    this.newest = el("button", { type: "button", class: "newest", hidden: true, on: { click: () => this.#follow() } }, "↓ Newest");
    this.scroller.append(this.rows.heads, this.rows.element, this.empty, this.none);
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const line = el("p", { class: "status-line" }, this.state, this.count, this.loss, this.saved, this.menu.element);
    root.replaceChildren(el("h2", { class: "unseen" }, "Live"), this.form.element, this.wrong.element, this.volume.element, line,
      el("div", { class: "live-results" }, this.facets.element, el("div", { class: "list-box" }, this.scroller, this.newest)));
    this.counting = poll((signal) => this.facets.show({ ...this.asked, since: FACETS_RANGE }, signal), FACETS_MS);
    this.drawing = poll((signal) => this.#count(signal), VOLUME_MS);
    this.ticking = setInterval(() => this.#rate(), RATE_MS);
    this.update(parameters);
  }

  update(parameters) {
    this.filters = sharedOf(parameters);
    this.asked = askedOf(this.filters);
    this.form.set(this.filters);
    this.menu.set(parameters.get("columns"));
    this.form.completion.set({ ...this.asked, since: FACETS_RANGE });
    this.rows.mark(this.filters.q);
    this.counting.now();
    this.drawing.now();
    this.#restart();
  }

  #go(filters, replace) {
    go("live", { ...addressOf(filters), columns: this.menu.text }, { replace });
  }

  close() {
    this.tail?.close();
    this.run = null;
    clearInterval(this.ticking);
    this.counting.stop();
    this.drawing.stop();
    this.volume.close();
    clearTimeout(this.retry);
    this.rows.close();
  }

  /** Look at a part of the histogram, in Search. */
  #zoom(from, to) {
    const iso = (epoch_s) => new Date(epoch_s * 1000).toISOString();
    go("search", { ...addressOf(this.filters), columns: this.menu.text, since: iso(from), until: iso(to) });
  }

  /** Count the last minutes by level; returns whether there is more to count. */
  async #count(signal) {
    try {
      const volume = await read("/api/volume", { ...this.asked, since: VOLUME_RANGE, buckets: VOLUME_BUCKETS }, signal);
      this.volume.set(volume);
      return volume.complete === false;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return false; // the list and the head show that the server does not answer
    }
  }

  /** Start again with the latest entries. */
  async #restart() {
    const mine = (this.run = {});
    clearTimeout(this.retry);
    this.tail?.close();
    this.wrong.point(null);
    try {
      const page = await readEntries({ ...this.asked, limit: HISTORY });
      if (mine !== this.run) return; // the filter has changed again
      this.ring.clear();
      this.pending = [];
      this.total = this.skipped = this.counted = 0;
      this.rows.reset();
      closeEntry();
      if (page.more && page.entries.length < HISTORY && page.reached_at) {
        this.ring.push({ note: `Entries before ${moment(page.reached_at)} were not looked at. Search looks further back.` });
      }
      for (const entry of page.entries.reverse()) this.ring.push(entry);
      this.last = page.after;
      this.#showLoss();
      this.#follow();
      this.#draw();
      this.#listen();
    } catch (error) {
      if (mine !== this.run) return;
      this.#setState("broken", error.message);
      this.wrong.point(error, this.asked.q);
      if (error.status !== 400) this.retry = setTimeout(() => this.#restart(), RETRY_MS);
    }
  }

  #listen() {
    this.tail?.close();
    this.tail = new Tail(this.asked, this.last, {
      add: (sequence, text) => this.#add(sequence, text),
      gap: (first, last) => this.#put({ note: `${entries(first, last)} are no longer kept.` }),
      skipped: (first, last) => {
        this.skipped += last - first + 1;
        this.#put({ note: `Skipped: ${entries(first, last)} came faster than can be shown live. Search has them.` });
        this.#showLoss();
      },
      state: (state, text) => this.#setState(state, text),
      lost: () => this.#restart(),
    });
  }

  #add(sequence, text) {
    this.total += 1;
    this.last = sequence;
    this.#put(text);
  }

  #put(item) {
    if (!this.paused) {
      this.#keep(item);
      this.#schedule();
      return;
    }
    this.pending.push(item);
    if (this.pending.length >= PENDING_MAX) this.tail.close();
    this.pausedText ??= requestAnimationFrame(() => {
      this.pausedText = null;
      if (this.paused) setText(this.pause, `Resume (${count(this.pending.length)}${this.pending.length >= PENDING_MAX ? "+" : ""})`);
    });
  }

  #keep(item) {
    this.ring.push(item);
  }

  #schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    const wait_ms = Math.max(0, DRAW_MS - (performance.now() - (this.drawn ?? 0)));
    setTimeout(() => requestAnimationFrame(() => this.#draw()), wait_ms);
  }

  #draw() {
    this.scheduled = false;
    this.drawn = performance.now();
    const some = this.ring.end > this.ring.first;
    const filtered = Object.values(this.filters).some(Boolean);
    this.empty.hidden = some || filtered;
    this.none.hidden = some || !filtered;
    this.rows.element.hidden = !some;
    this.rows.draw({ at_end: this.following });
  }

  #rate() {
    const came = this.total - (this.counted ?? 0);
    this.counted = this.total;
    const kept = this.ring.end - this.ring.first;
    setText(this.count, `${count(kept)} shown, ${count(came)} per second`);
  }

  #showLoss() {
    setText(this.loss, this.skipped ? `${count(this.skipped)} skipped: more came than can be shown live` : "");
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    // New rows move the end; only scrolling upwards by the user ends the following.
    const upwards = scrollTop < this.top;
    this.top = scrollTop;
    if (near === this.following || (!near && !upwards)) return;
    if (near && !panel.hidden) return; // an entry is open: only the button continues
    this.following = near;
    this.newest.hidden = near;
  }

  #follow() {
    this.following = true;
    this.newest.hidden = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#schedule();
  }

  #open(item) {
    if (this.following && this.ring.end - this.ring.first > 1) {
      this.following = false; // what is being read must not run away
      this.newest.hidden = false;
    }
    openEntry(item, "live");
  }

  #toggle() {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    setText(this.pause, this.paused ? "Resume" : "Pause");
    if (this.paused) {
      this.#setState("paused", "paused");
      return;
    }
    for (const item of this.pending) this.#keep(item);
    this.pending = [];
    if (this.tail?.closed) this.#listen();
    this.#setState("live", "live");
    this.#schedule();
  }

  #setState(state, text) {
    if (this.paused && state === "live") [state, text] = ["paused", "paused"];
    setData(this.state, "state", state);
    setText(this.state.lastChild, text);
  }
}

function entries(first, last) {
  return `entries ${first} to ${last}`;
}

/** Show the live view. */
export const show = (root, parameters) => new Live(root, parameters);

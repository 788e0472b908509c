// Overview: state of the server, rates, sources.

import { poll, read, remove, serverNow } from "/static/api.js";
import { showAlerts, showTargets } from "/static/alerts.js";
import { ClusterPart } from "/static/cluster.js";
import { confirmButton } from "/static/confirm.js";
import { el, reconcile, setData, setText } from "/static/dom.js";
import { parse } from "/static/exact.js";
import { FirstVisit } from "/static/first.js";
import { Figures } from "/static/figures.js";
import { ago, bytes, clockOf, compact, count, counted, duration, instant, rate, since as sinceWhen } from "/static/format.js";
import { link } from "/static/route.js";
import { summaryOf } from "/static/sender.js";
import { readState, staleSince } from "/static/state.js";
import { Table } from "/static/tables.js";
import { VolumeChart } from "/static/volume.js";

export const title = "Overview";

const STATUS_MS = 2000;
const LISTS_MS = 4000;
const VOLUME_MS = 5000;
const VOLUME_BUCKETS = 60;
const SOURCES_MAX = 200;
const TEXTS_MAX = 3; // in the banner; the list of alerts has the rest

const HEADLINES = { ok: "All is well", warning: "Needs attention", error: "Trouble" };

const sum = (numbers) => Object.values(numbers ?? {}).reduce((total, number) => total + number, 0);
const part = (name, ...content) => el("section", { "aria-label": name }, el("h2", {}, name), ...content);

function listenerTable() {
  return new Table("Listeners", [
    { head: "Listener", text: (one) => one.name, href: (one) => link("search", { listener: one.name, since: "1h" }) },
    { head: "Protocol", text: (one) => one.protocol, narrow: true },
    { head: "Port", text: (one) => one.ports.join(", "), number: true, narrow: true },
    {
      head: "State",
      text: (one) => was(one, one.trouble || (one.alive ? "up" : "down")),
      state: stateOf,
    },
    { head: "Open", text: (one) => count(one.connections_open), number: true, hint: connections },
    { head: "Lines/s", text: (one) => rate(one.lines_per_s), number: true },
    { head: "Stored", text: (one) => compact(one.stored), number: true, hint: (one) => `${count(one.stored)} of ${count(one.received)} received` },
    { head: "Refused", text: (one) => compact(sum(one.refused)), number: true, narrow: true, hint: refusals },
    { head: "Bytes", text: (one) => bytes(one.bytes), number: true, narrow: true },
    { head: "Restarts", text: (one) => count(one.restarts), number: true, narrow: true },
    { head: "Last", text: (one) => since(one.last_activity, one.stale), number: true, narrow: true, hint: (one) => one.last_activity ?? "" },
  ], (one) => one.name);
}

/** A state, or the last known one when the server does not answer. */
const was = (one, text) => (one.stale ? `was ${text}` : text);
const stateOf = (one) => (one.stale ? "unknown" : !one.alive ? "error" : one.trouble ? "warning" : "ok");

const connections = (one) =>
  `${counted(one.connections_total, "connection")} since the start, ${count(one.connections_last_hour)} in the last hour, ${count(one.connections_refused)} refused`;
const refusals = (one) => Object.entries(one.refused ?? {}).map(([reason, number]) => `${reason}: ${count(number)}`).join("\n");
const since = (iso, stale) => (!iso ? "never" : stale ? instant(Date.parse(iso) / 1000) : ago((serverNow() - Date.parse(iso)) / 1000));

function outputTable() {
  return new Table("Outputs", [
    { head: "Output", text: (one) => one.name },
    { head: "Type", text: (one) => one.type, narrow: true },
    {
      head: "State",
      text: (one) => was(one, one.trouble || (one.standby ? "another server writes it" : one.alive ? "up" : "down")),
      state: stateOf,
    },
    { head: "Behind", text: (one) => counted(one.lag ?? 0, "entry", "entries"), number: true },
    { head: "Position", text: (one) => count(one.position), number: true, narrow: true },
    { head: "Restarts", text: (one) => count(one.restarts), number: true },
  ], (one) => one.name);
}

const STATES = { silent: "error", late: "warning", live: "ok" }; // as they are listed: what is wrong first

/** A stable order while entries arrive, so that rows do not move under the pointer. */
function byStateAndName(one, other) {
  const order = Object.keys(STATES);
  return order.indexOf(one.state) - order.indexOf(other.state) || one.name.localeCompare(other.name) || one.listener.localeCompare(other.listener);
}

/** A source's last message; one that is a whole entry is shown as in lists of entries. */
function saidBy({ name, message }) {
  if (!message.startsWith("{")) return message;
  try {
    return summaryOf({ entry: parse(message), source: name, message });
  } catch {
    return message; // it was cut
  }
}

function sourceTable(forget) {
  return new Table("Sources", [
    {
      head: "Source",
      text: (one) => one.name,
      href: (one) => link("search", { source: one.name, listener: one.listener, since: "24h" }),
      hint: (one) => `${one.peer}, first seen ${one.first_seen}`,
    },
    { head: "Listener", text: (one) => one.listener, narrow: true },
    { head: "State", text: (one) => was(one, one.state), state: (one) => (one.stale ? "unknown" : STATES[one.state] ?? "unknown") },
    { head: "Last seen", text: (one) => (one.stale ? instant(Date.parse(one.last_seen) / 1000) : ago(one.silent_s)), number: true, hint: (one) => one.last_seen },
    { head: "Entries", text: (one) => compact(one.entries), number: true, narrow: true },
    { head: "Every", text: (one) => (one.interval_s === null ? "–" : one.interval_s < 1 ? "< 1 s" : duration(one.interval_s)), number: true, narrow: true },
    { head: "Clock", text: clockOf, number: true, narrow: true, hint: () => "Time of the last entry, less its arrival" },
    { head: "Last message", text: saidBy, narrow: true, grow: true },
    { head: "", make: (one) => forgetButton(one, forget), hidden: (one) => one.stale || one.state !== "silent" },
  ], (one) => `${one.listener} ${one.name}`);
}

function forgetButton(one, forget) {
  const hint = "Its entries stay; it is listed again when it sends again";
  return confirmButton({ text: "Forget", label: `Forget ${one.name}`, hint, question: `Forget ${one.name}?` }, () => forget(one));
}

class Overview {
  constructor(root) {
    this.headline = el("strong");
    this.about = el("span", { class: "soft" });
    this.problems = el("ul", { class: "problems" });
    this.banner = el("section", { class: "banner", "aria-label": "Status", data: { state: "unknown" } },
      el("p", {}, el("span", { class: "dot" }), this.headline, " ", this.about), this.problems);
    this.figures = new Figures();
    this.alerts = el("ul", { class: "alert-list" });
    this.targets = el("ul", { class: "targets soft small" });
    this.volume = new VolumeChart(({ from, to }) => {
      location.hash = link("search", { since: new Date(from * 1000).toISOString(), until: new Date(to * 1000).toISOString() });
    });
    this.listeners = listenerTable();
    this.outputs = outputTable();
    this.cluster = new ClusterPart();
    this.noOutputs = el("p", { class: "soft" }, "No outputs: the journal alone keeps the entries.");
    this.sources = sourceTable((one) => this.#forget(one));
    this.first = new FirstVisit();
    this.outputs.element.hidden = this.noOutputs.hidden = true;
    this.sourceCount = el("span", { class: "soft small", role: "status" });
    this.sourcePart = part("Sources", this.sources.element);
    this.sourcePart.firstChild.append(" ", this.sourceCount);
    this.sourcePart.hidden = true;
    this.pair = el("div", { class: "pair" },
      part("Volume, last hour", this.volume.element),
      part("Alerts", this.alerts, this.targets));
    this.parts = [this.figures.element, this.pair, this.sourcePart, part("Listeners", this.listeners.element),
      part("Outputs", this.outputs.element, this.noOutputs), this.cluster.element];
    root.replaceChildren(
      el("h2", { class: "unseen" }, "Overview"),
      this.banner,
      this.first.element,
      ...this.parts,
    );
    this.lists = poll((signal) => this.#sources(signal), LISTS_MS);
    this.polls = [
      this.lists,
      poll((signal) => this.#status(signal), STATUS_MS),
      poll((signal) => this.#volume(signal), VOLUME_MS),
    ];
  }

  async #status(signal) {
    let found;
    try {
      found = await readState(signal);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.#stale(error);
      return;
    }
    const { status, alerts, state, badge, texts } = found;
    const uptime = `version ${status.version}, up for ${duration(status.uptime_s)}`;
    this.#banner(state, state === "ok" ? HEADLINES.ok : `${HEADLINES[state]}: ${badge}`, uptime, texts);
    this.#known(status);
    if (alerts) showAlerts(this.alerts, alerts);
    if (alerts) showTargets(this.targets, alerts.notify);
    this.first.update(status);
    this.outputs.element.hidden = !status.outputs.length;
    this.noOutputs.hidden = Boolean(status.outputs.length);
  }

  /** Show a status, or the last one. */
  #known(status, stale = false) {
    this.status = status;
    const marked = (items) => items.map((one) => ({ ...one, stale }));
    this.#figures(status, stale);
    this.listeners.set(marked(status.listeners));
    this.outputs.set(marked(status.outputs));
    this.cluster.set(status.cluster, stale);
    if (this.known) this.sources.set(marked(this.known));
    for (const box of this.parts) box.classList.toggle("stale", stale);
  }

  /** Show that the server does not answer, and that the values are old. */
  #stale(error) {
    const at = staleSince();
    const about = at ? `${error.message}; the state below is from then` : error.message;
    this.#banner("unknown", at ? `No answer since ${sinceWhen(at)}` : "No answer", about, []);
    if (this.status) this.#known(this.status, true);
  }

  #banner(state, headline, about, texts) {
    setData(this.banner, "state", state);
    setText(this.headline, headline);
    setText(this.about, about);
    const left = texts.length - TEXTS_MAX;
    const shown = left > 1 ? [...texts.slice(0, TEXTS_MAX), `and ${count(left)} more`] : texts;
    const items = shown.map((text, index) => ({ text, index }));
    reconcile(this.problems, items, (item) => String(item.index), () => el("li"), (row, item) => setText(row, item.text));
    this.problems.hidden = !items.length;
  }

  #figures({ rates, totals, journal }, stale) {
    const kept = journal.entries - (journal.oldest_sequence ?? 0);
    const figures = [
      ["Lines/s", rate(rates.lines_per_s), `${bytes(rates.bytes_per_s)}/s`],
      ["Stored", compact(totals.stored), `${bytes(totals.bytes)} since the start`, count(totals.stored)],
      ["Refused", compact(totals.refused), `${compact(totals.filtered)} filtered, ${compact(totals.failed)} failed`, count(totals.refused)],
      ["Journal", bytes(journal.bytes), counted(kept, "entry", "entries")],
      ["Disk free", bytes(journal.free_bytes), was({ stale }, journal.trouble ?? (journal.writable ? "writable" : "not writable"))],
      ["Last commit", milliseconds(journal.last_commit_s), "write and sync"],
    ];
    this.figures.set(figures);
  }

  async #sources(signal) {
    const answer = await this.#quietly("/api/sources", { limit: SOURCES_MAX }, signal);
    if (!answer) return;
    this.known = answer.sources.sort(byStateAndName);
    this.sources.set(this.known);
    this.sourcePart.hidden = !answer.sources.length;
    const more = answer.total > answer.sources.length ? `the last ${answer.sources.length} of ${count(answer.total)}` : "";
    setText(this.sourceCount, more);
  }

  /** Forget a source that will not return. */
  async #forget(one) {
    await remove("/api/sources", { listener: one.listener, name: one.name });
    this.lists.now();
  }

  async #volume(signal) {
    const volume = await this.#quietly("/api/volume", { buckets: VOLUME_BUCKETS, since: "1h" }, signal);
    if (volume) this.volume.set(volume);
    return volume?.complete === false;
  }

  /** Return an answer, or null: `#status` shows the error. */
  async #quietly(path, parameters, signal) {
    try {
      return await read(path, parameters, signal);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return null;
    }
  }

  update() {}

  close() {
    for (const one of this.polls) one.stop();
    this.volume.close();
  }
}

function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  return seconds < 1 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(1)} s`;
}

/** Show the overview. */
export const show = (root) => new Overview(root);

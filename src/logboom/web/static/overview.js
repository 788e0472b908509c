// Overview: is all well, how much comes, from whom.

import { poll, read } from "/static/api.js";
import { curlLine, el, empty, reconcile, setData, setText } from "/static/dom.js";
import { ago, bytes, compact, count, counted, duration, moment, rate } from "/static/format.js";
import { link } from "/static/route.js";
import { Table } from "/static/tables.js";
import { VolumeChart } from "/static/volume.js";

export const title = "Overview";

const STATUS_MS = 2000;
const LISTS_MS = 4000;
const VOLUME_MS = 5000;
const VOLUME_BUCKETS = 60;
const SOURCES_MAX = 50;

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
      text: (one) => (one.alive ? one.trouble || "up" : one.trouble || "down"),
      state: (one) => (!one.alive ? "error" : one.trouble ? "warning" : "ok"),
    },
    { head: "Open", text: (one) => count(one.connections_open), number: true, hint: connections },
    { head: "Lines/s", text: (one) => rate(one.lines_per_s), number: true },
    { head: "Stored", text: (one) => compact(one.stored), number: true, hint: (one) => `${count(one.stored)} of ${count(one.received)} received` },
    { head: "Refused", text: (one) => compact(sum(one.refused)), number: true, narrow: true, hint: refusals },
    { head: "Bytes", text: (one) => bytes(one.bytes), number: true, narrow: true },
    { head: "Restarts", text: (one) => count(one.restarts), number: true, narrow: true },
    { head: "Last", text: (one) => since(one.last_activity), number: true, narrow: true, hint: (one) => one.last_activity ?? "" },
  ], (one) => one.name);
}

const connections = (one) =>
  `${counted(one.connections_total, "connection")} since the start, ${count(one.connections_last_hour)} in the last hour, ${count(one.connections_refused)} refused`;
const refusals = (one) => Object.entries(one.refused ?? {}).map(([reason, number]) => `${reason}: ${count(number)}`).join("\n");
const since = (iso) => (iso ? ago((Date.now() - Date.parse(iso)) / 1000) : "never");

function outputTable() {
  return new Table("Outputs", [
    { head: "Output", text: (one) => one.name },
    { head: "Type", text: (one) => one.type, narrow: true },
    {
      head: "State",
      text: (one) => one.trouble || (one.alive ? "up" : "down"),
      state: (one) => (!one.alive ? "error" : one.trouble ? "warning" : "ok"),
    },
    { head: "Behind", text: (one) => counted(one.lag ?? 0, "entry", "entries"), number: true },
    { head: "Position", text: (one) => count(one.position), number: true, narrow: true },
    { head: "Restarts", text: (one) => count(one.restarts), number: true },
  ], (one) => one.name);
}

function sourceTable() {
  const states = { live: "ok", late: "warning", silent: "error" };
  return new Table("Sources", [
    {
      head: "Source",
      text: (one) => one.name,
      href: (one) => link("search", { source: one.name, listener: one.listener, since: "24h" }),
      hint: (one) => `${one.peer}, first seen ${one.first_seen}`,
    },
    { head: "Listener", text: (one) => one.listener, narrow: true },
    { head: "State", text: (one) => one.state, state: (one) => states[one.state] ?? "unknown" },
    { head: "Last seen", text: (one) => ago(one.silent_s), number: true, hint: (one) => one.last_seen },
    { head: "Entries", text: (one) => compact(one.entries), number: true, narrow: true },
    { head: "Every", text: (one) => (one.interval_s === null ? "–" : one.interval_s < 1 ? "< 1 s" : duration(one.interval_s)), number: true, narrow: true },
    { head: "Last message", text: (one) => one.message, narrow: true, grow: true },
  ], (one) => `${one.listener} ${one.name}`);
}

class Overview {
  constructor(root) {
    this.headline = el("strong");
    this.about = el("span", { class: "soft" });
    this.problems = el("ul", { class: "problems" });
    this.banner = el("section", { class: "banner", "aria-label": "Status", data: { state: "unknown" } },
      el("p", {}, el("span", { class: "dot" }), this.headline, " ", this.about), this.problems);
    this.figures = el("dl", { class: "figures" });
    this.alerts = el("ul", { class: "alerts" });
    this.notified = el("p", { class: "soft small" });
    this.volume = new VolumeChart(({ from, to }) => {
      location.hash = link("search", { since: new Date(from * 1000).toISOString(), until: new Date(to * 1000).toISOString() });
    });
    this.listeners = listenerTable();
    this.outputs = outputTable();
    this.noOutputs = el("p", { class: "soft" }, "No outputs: the journal alone keeps the entries.");
    this.sources = sourceTable();
    this.noSources = empty("Nothing has come yet. Send the first entry:", curlLine());
    this.outputs.element.hidden = this.noOutputs.hidden = this.noSources.hidden = true;
    this.sourceCount = el("span", { class: "soft small" });
    const sources = part("Sources", this.sources.element, this.noSources);
    sources.firstChild.append(" ", this.sourceCount);
    root.replaceChildren(
      el("h2", { class: "unseen" }, "Overview"),
      this.banner,
      this.figures,
      el("div", { class: "pair" },
        part("Volume, last hour", this.volume.element),
        part("Alerts", this.alerts, this.notified)),
      sources,
      part("Listeners", this.listeners.element),
      part("Outputs", this.outputs.element, this.noOutputs),
    );
    this.polls = [
      poll((signal) => this.#status(signal), STATUS_MS),
      poll((signal) => this.#alerts(signal), LISTS_MS),
      poll((signal) => this.#sources(signal), LISTS_MS),
      poll((signal) => this.#volume(signal), VOLUME_MS),
    ];
  }

  async #status(signal) {
    let status;
    try {
      status = await read("/api/status", {}, signal);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.#banner("unknown", "No answer", error.message, []);
      return;
    }
    const uptime = `version ${status.version}, up for ${duration(status.uptime_s)}`;
    this.#banner(status.status, HEADLINES[status.status] ?? status.status, uptime, status.problems);
    this.#figures(status);
    this.listeners.set(status.listeners);
    this.outputs.set(status.outputs);
    this.outputs.element.hidden = !status.outputs.length;
    this.noOutputs.hidden = Boolean(status.outputs.length);
  }

  #banner(state, headline, about, problems) {
    setData(this.banner, "state", state);
    setText(this.headline, headline);
    setText(this.about, about);
    const items = problems.map((text, index) => ({ text, index }));
    reconcile(this.problems, items, (item) => String(item.index), () => el("li"), (row, item) => setText(row, item.text));
    this.problems.hidden = !problems.length;
  }

  #figures({ rates, totals, journal }) {
    const kept = journal.entries - (journal.oldest_sequence ?? 0);
    const figures = [
      ["Lines/s", rate(rates.lines_per_s), `${bytes(rates.bytes_per_s)}/s`],
      ["Stored", compact(totals.stored), `${bytes(totals.bytes)} since the start`, count(totals.stored)],
      ["Refused", compact(totals.refused), `${compact(totals.filtered)} filtered, ${compact(totals.failed)} failed`, count(totals.refused)],
      ["Journal", bytes(journal.bytes), counted(kept, "entry", "entries")],
      ["Disk free", bytes(journal.free_bytes), journal.trouble ?? (journal.writable ? "writable" : "not writable")],
      ["Last commit", milliseconds(journal.last_commit_s), "write and sync"],
    ];
    reconcile(this.figures, figures, ([name]) => name,
      ([name]) => el("div", {}, el("dt", {}, name), el("dd", {}, el("b"), el("span"))),
      (box, [, text, note, hint]) => {
        const [big, small] = box.querySelectorAll("b, dd > span");
        setText(big, text);
        setText(small, note);
        if (hint) big.title = hint;
      });
  }

  async #alerts(signal) {
    const answer = await this.#quietly("/api/alerts", {}, signal);
    if (!answer) return;
    const items = answer.alerts.length ? answer.alerts : [null];
    reconcile(this.alerts, items, (one) => (one ? `${one.rule} ${one.subject}` : "none"), makeAlert, showAlert);
    setText(this.notified, answer.notify.length ? `Sent to ${answer.notify.join(", ")}.` : "Nobody is notified: no target is configured.");
  }

  async #sources(signal) {
    const answer = await this.#quietly("/api/sources", { limit: SOURCES_MAX }, signal);
    if (!answer) return;
    this.sources.set(answer.sources);
    this.sources.element.hidden = !answer.sources.length;
    this.noSources.hidden = Boolean(answer.sources.length);
    const more = answer.total > answer.sources.length ? `the last ${answer.sources.length} of ${count(answer.total)}` : "";
    setText(this.sourceCount, more);
  }

  async #volume(signal) {
    const volume = await this.#quietly("/api/volume", { buckets: VOLUME_BUCKETS, since: "1h" }, signal);
    if (volume) this.volume.set(volume);
  }

  /** An answer, or null: `#status` tells what is wrong, once is enough. */
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

function makeAlert(one) {
  if (!one) return el("li", { class: "soft" }, "No alerts.");
  return el("li", {}, el("span", { class: "state" }), el("span", { class: "what" }), el("span", { class: "soft small" }));
}

function showAlert(row, one) {
  if (!one) return;
  const [state, what, when] = row.children;
  setData(state, "state", one.state === "resolved" ? "ok" : one.severity === "critical" ? "error" : "warning");
  setText(state, one.state);
  setText(what, one.text);
  setText(when, one.state === "resolved" ? `until ${moment(one.resolved_at)}` : `since ${moment(one.since)}`);
  row.title = `${one.rule}: ${one.subject}`;
}

/** Show the overview. */
export const show = (root) => new Overview(root);

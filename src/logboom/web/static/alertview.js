// Alerts: what fires, with muting and acknowledging; the rules; what fired before; a test of the targets.

import { poll, read, remove, send, serverNow } from "/static/api.js";
import { showTargets } from "/static/alerts.js";
import { confirmButton } from "/static/confirm.js";
import { el, empty, reconcile, setData, setText } from "/static/dom.js";
import { count, duration, since as sinceWhen } from "/static/format.js";
import { link } from "/static/route.js";
import { RuleForm } from "/static/ruleform.js";
import { Table } from "/static/tables.js";

export const title = "Alerts";

const INTERVAL_MS = 3000;
const HISTORY_MAX = 100;
const HOUR_MS = 3_600_000;
const MUTES = [["", "Mute …"], ["1", "for 1 hour"], ["4", "for 4 hours"], ["24", "for 24 hours"], ["168", "for 7 days"]];

const at = (iso) => sinceWhen(Date.parse(iso));
const keyOf = (one) => `${one.rule} ${one.subject}`;
const stateOf = (one) => (one.acknowledged_at || one.muted_until ? "unknown" : one.severity === "critical" ? "error" : "warning");
const span = (seconds) => duration(seconds).replace(/ 0 \w+$/, "");
const firesAt = (one) => `${one.fewer ? "fewer than" : "at least"} ${count(one.threshold)} in ${span(one.window_s)}`;
const showMeaning = ({ children: [meaning, name] }, one) => (setText(meaning, one.text), setText(name, one.name));
const by = (name) => (name ? ` by ${name}` : "");

class AlertView {
  constructor(root, parameters) {
    this.note = el("p", { class: "trouble", role: "alert", hidden: true });
    this.firing = el("ul", { class: "firing" });
    this.none = empty("No alert fires.");
    this.form = new RuleForm(() => this.#closed());
    this.add = el("button", { type: "button", on: { click: () => this.#edit(null, "") } }, "New rule");
    this.rules = new Table("Rules", [
      { head: "Rule", text: (one) => one.name, href: (one) => link("search", { q: one.query, since: "24h" }), hint: (one) => one.query },
      { head: "Fires at", text: firesAt },
      { head: "Query", text: (one) => one.query, narrow: true, grow: true },
      { head: "Now", text: (one) => (one.matches === null ? "–" : count(one.matches)), number: true },
      { head: "From", text: (one) => one.trouble ?? one.origin, narrow: true, state: (one) => (one.trouble ? "warning" : "unknown") },
      { head: "", make: (one) => this.#ruleActions(one) },
    ], (one) => `${one.origin} ${one.name} ${JSON.stringify({ ...one, matches: 0 })}`);
    this.builtIn = new Table("Rules about the server and its senders", [
      { head: "Rule", draw: () => el("div", { class: "rule-text" }, el("div"), el("div", { class: "soft small" })), show: showMeaning },
      { head: "Severity", text: (one) => one.severity, narrow: true },
      { head: "State", text: (one) => (one.enabled ? "on" : "off: alerts.rules") },
      { head: "", make: (one) => el("span", { class: "actions" }, this.#muteChoice(one.name, "")) },
    ], (one) => one.name);
    this.mutes = el("ul", { class: "firing", "aria-label": "Muted" });
    this.history = new Table("History", [
      { head: "Fired", text: (one) => at(one.since) },
      { head: "For", text: (one) => span((Date.parse(one.resolved_at) - Date.parse(one.since)) / 1000), number: true },
      { head: "Severity", text: (one) => one.severity, narrow: true },
      { head: "Acknowledged by", text: (one) => one.acknowledged_by, narrow: true },
      { head: "Alert", text: (one) => one.text, hint: (one) => one.text },
    ], (one) => `${keyOf(one)} ${one.since} ${one.resolved_at}`);
    this.noHistory = el("p", { class: "soft" }, "No alert has ended yet.");
    this.targets = el("ul", { class: "targets" });
    this.test = el("button", { type: "button", on: { click: () => this.#test() } }, "Send a test message");
    this.tested = el("ul", { class: "targets small", "aria-live": "polite" });
    root.replaceChildren(el("div", { class: "alerts-page" }, el("h2", { class: "unseen" }, "Alerts"), this.note,
      part("Firing", this.firing, this.none), part("Rules", el("p", {}, this.add), this.form.element, this.rules.element),
      (this.mutedPart = part("Muted", this.mutes)), part("History", this.history.element, this.noHistory),
      part("Rules about the server and its senders", this.builtIn.element),
      part("Targets", this.targets, el("p", {}, this.test), this.tested)));
    this.polling = poll((signal) => this.#read(signal), INTERVAL_MS);
    this.update(parameters);
  }

  update(parameters) {
    const query = parameters.get("q");
    if (query) this.#edit(null, query);
  }

  close() {
    this.polling.stop();
  }

  async #read(signal) {
    try {
      const [found, past] = await Promise.all([read("/api/alerts", {}, signal), read("/api/alerts/history", { limit: HISTORY_MAX }, signal)]);
      this.#show(found, past);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.#wrong(error.message);
    }
  }

  #show(found, past) {
    this.#wrong(found.enabled ? "" : "Alerts are off: alerts.enabled is false.");
    const open = found.alerts.filter((one) => one.state !== "resolved");
    reconcile(this.firing, open, keyOf, (one) => this.#makeFiring(one), (row, one) => this.#showFiring(row, one));
    this.firing.hidden = !open.length;
    this.none.hidden = open.length > 0;
    this.names = found.notify.map((one) => one.name);
    this.rules.set(found.rules);
    this.rules.element.hidden = !found.rules.length;
    this.builtIn.set(found.built_in);
    reconcile(this.mutes, found.mutes, keyOf, (one) => this.#makeMute(one), (row, one) => setText(row.children[1], `until ${at(one.until)}, muted${by(one.by)}`));
    this.mutedPart.hidden = !found.mutes.length;
    this.history.set(past.alerts);
    this.history.element.hidden = !past.alerts.length;
    this.noHistory.hidden = past.alerts.length > 0;
    showTargets(this.targets, found.notify);
    this.test.disabled = !found.notify.length;
  }

  #makeFiring(one) {
    const [state, what, about] = [el("span", { class: "state" }), el("span", { class: "what" }), el("span", { class: "soft small" })];
    const acknowledge = el("button", { type: "button", on: { click: () => this.#acknowledge(one, acknowledge) } }, "Acknowledge");
    return el("li", {}, state, what, about, el("span", { class: "actions" }, acknowledge, this.#muteChoice(one.rule, one.subject)));
  }

  #showFiring(row, one) {
    const [state, what, about, actions] = row.children;
    setData(state, "state", stateOf(one));
    setText(state, one.state);
    setText(what, one.text);
    const marks = [`since ${at(one.since)}`];
    if (one.acknowledged_at) marks.push(`acknowledged${by(one.acknowledged_by)}, ${at(one.acknowledged_at)}`);
    if (one.muted_until) marks.push(`muted until ${at(one.muted_until)}`);
    setText(about, marks.join(" · "));
    setText(actions.firstChild, one.acknowledged_at ? "Withdraw" : "Acknowledge");
    setData(actions.firstChild, "on", one.acknowledged_at ? "1" : "");
    actions.firstChild.disabled = one.state !== "firing";
  }

  #makeMute(one) {
    return el("li", {}, el("span", { class: "state" }, one.rule), el("span", { class: "soft" }), one.subject ? el("span", { class: "what small" }, one.subject) : null,
      el("span", { class: "actions" }, el("button", { type: "button", on: { click: () => this.#change(() => remove("/api/alerts/mutes", { rule: one.rule, subject: one.subject })) } }, "Unmute")));
  }

  #muteChoice(rule, subject) {
    const choice = el("select", { "aria-label": `Mute ${rule} ${subject}`.trim() }, MUTES.map(([hours, text]) => el("option", { value: hours }, text)));
    choice.addEventListener("change", () => {
      const until = new Date(serverNow() + Number(choice.value) * HOUR_MS).toISOString();
      if (choice.value) this.#change(() => send("POST", "/api/alerts/mutes", { rule, subject, until }));
      choice.value = "";
    });
    return choice;
  }

  #ruleActions(one) {
    const mute = this.#muteChoice(one.name, "");
    if (one.origin !== "page") return el("span", { class: "actions" }, mute);
    const words = { text: "Delete", label: `Delete ${one.name}`, hint: "Its alert ends without a message", question: `Delete ${one.name}?` };
    return el("span", { class: "actions" }, el("button", { type: "button", "aria-label": `Edit ${one.name}`, on: { click: () => this.#edit(one, "") } }, "Edit"), mute,
      confirmButton(words, async () => {
        await remove(`/api/alerts/rules/${encodeURIComponent(one.name)}`);
        this.polling.now();
      }));
  }

  async #edit(rule, query) {
    if (!this.names) this.names = (await read("/api/alerts").catch(() => ({ notify: [] }))).notify.map((one) => one.name);
    this.add.hidden = true;
    this.form.open(rule, query, this.names);
  }

  #closed() {
    this.add.hidden = false;
    this.add.focus();
    this.polling.now();
  }

  #acknowledge({ rule, subject }, button) {
    const place = { rule, subject };
    this.#change(() => (button.dataset.on ? remove("/api/alerts/acknowledgements", place) : send("POST", "/api/alerts/acknowledgements", place)));
  }

  async #change(act) {
    try {
      await act();
      this.polling.now();
    } catch (error) {
      this.#wrong(error.message);
    }
  }

  async #test() {
    this.test.disabled = true;
    this.tested.replaceChildren(el("li", {}, "Sending …"));
    try {
      const { targets } = await send("POST", "/api/alerts/test", {});
      this.tested.replaceChildren(...targets.map((one) => el("li", { class: one.trouble ? "trouble" : null }, `${one.name}: ${one.trouble ?? "accepted"}`)));
    } catch (error) {
      this.tested.replaceChildren(el("li", { class: "trouble" }, error.message));
    } finally {
      this.test.disabled = false;
    }
  }

  #wrong(text) {
    this.note.hidden = !text;
    setText(this.note, text);
  }
}

const part = (name, ...content) => el("section", { "aria-label": name }, el("h2", {}, name), ...content);

/** Show the alerts. */
export const show = (root, parameters) => new AlertView(root, parameters);

// The overview's list of alerts, and their notification targets.

import { el, reconcile, setData, setText } from "/static/dom.js";
import { count, instant } from "/static/format.js";

const at = (iso) => instant(Date.parse(iso) / 1000);

/**
 * Show the alerts.
 * @param {Element} list
 * @param {{alerts: Array<object>, enabled: boolean}} answer of `/api/alerts`.
 */
export function showAlerts(list, { alerts, enabled = true }) {
  const none = enabled ? "No alerts." : "Alerts are off.";
  const items = enabled && alerts.length ? alerts : [none, ...alerts];
  reconcile(list, items, (one) => (one.rule ? `${one.rule} ${one.subject}` : one), makeAlert, showAlert);
}

function makeAlert(one) {
  if (!one.rule) return el("li", { class: "soft" }, one);
  return el("li", {}, el("span", { class: "state" }), el("span", { class: "what" }), el("span", { class: "soft small" }));
}

function showAlert(row, one) {
  if (!one.rule) return;
  const [state, what, when] = row.children;
  setData(state, "state", one.state === "resolved" ? "ok" : one.severity === "critical" ? "error" : "warning");
  setText(state, one.state);
  setText(what, one.text);
  setText(when, one.state === "resolved" ? `until ${at(one.resolved_at)}` : `since ${at(one.since)}`);
  row.title = `${one.rule}: ${one.subject}`;
}

/**
 * Show the notification targets.
 * @param {Element} list
 * @param {Array<{name: string, trouble: string|null, waiting: number}>} targets
 */
export function showTargets(list, targets) {
  const items = targets.length ? targets : [null];
  reconcile(list, items, (one) => one?.name ?? "", () => el("li", {}, el("span"), el("span", { class: "trouble" })), (row, one) => {
    const [name, trouble] = row.children;
    setText(name, one ? `Goes to ${one.name}` : "Nobody is notified: no target is configured.");
    const waiting = one?.waiting ? [`${count(one.waiting)} waiting`] : [];
    const texts = one?.trouble ? [one.trouble, ...waiting] : waiting;
    setText(trouble, texts.length ? ` · ${texts.join(" · ")}` : "");
    trouble.classList.toggle("trouble", Boolean(one?.trouble));
  });
}

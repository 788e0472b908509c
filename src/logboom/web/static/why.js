// Why: the fate of a line, by its numbers, a text or its time.

import { read } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { labelled } from "/static/filters.js";
import { counted, instant } from "/static/format.js";
import { go, link } from "/static/route.js";

export const title = "Why";

const FIELDS = [
  ["source", "Device or source"],
  ["boot", "boot_seq", "numeric"],
  ["seq", "seq", "numeric"],
  ["text", "A text in the line"],
  ["time", "Time"],
];
const STATES = { stored: "ok", refused: "error", missing: "error", deleted: "warning", "not known": "warning" };

const at = (iso) => instant(Date.parse(iso) / 1000);

export function show(root, parameters) {
  const inputs = FIELDS.map(([name, label, mode]) => [name, el("input", { name, inputmode: mode, autocomplete: "off" }), label]);
  const form = el("form", { class: "filters", on: { submit: ask } }, inputs.map(([, input, label]) => labelled(label, input)), el("button", { type: "submit" }, "Explain"));
  const answer = el("div", { class: "why-answer", role: "status" });
  root.append(el("h2", {}, "Why is a line (not) here?"), el("p", { class: "soft" }, "By source, boot_seq and seq; by a text; or by a time."), form, answer);
  let stopping = new AbortController();

  function ask(event) {
    event.preventDefault();
    go("why", Object.fromEntries(inputs.map(([name, input]) => [name, input.value.trim()])));
  }

  async function update(wanted) {
    stopping.abort();
    stopping = new AbortController();
    for (const [name, input] of inputs) input.value = wanted.get(name) ?? "";
    const asked = Object.fromEntries(FIELDS.map(([name]) => [name, wanted.get(name) ?? ""]).filter(([, value]) => value));
    answer.replaceChildren();
    if (!asked.seq && !asked.text && !asked.time) return; // a source alone names no line
    setText(answer, "looking");
    try {
      answer.replaceChildren(...shownOf(await read("/api/why", asked, stopping.signal)));
    } catch (error) {
      if (error.name !== "AbortError") setText(answer, error.message);
    }
  }

  update(parameters);
  return { update, close: () => stopping.abort() };
}

/** A text with times of day for people, and links to the entries that it names. */
function readable(text) {
  return text.split(/(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|\bentry \d+\b)/).map((part) => {
    if (/^\d{4}-/.test(part)) return at(part);
    return part.startsWith("entry ") ? el("a", { href: link("entry", { sequence: part.slice("entry ".length) }) }, part) : part;
  });
}

function shownOf(found) {
  return [
    el("p", {}, el("span", { class: "state", data: { state: STATES[found.verdict] ?? "warning" } }, found.verdict)),
    el("ul", {}, found.text.map((text) => el("li", {}, readable(text)))),
    ...found.stored.map(storedOf),
    ...found.refused.map((one) => el("p", {}, `${at(one.at)} · ${one.listener} · ${one.source}: ${one.reason} `, el("code", {}, one.text ?? "(its bytes are not kept)"))),
  ];
}

function storedOf(one) {
  const sent = one.sent === null ? "how often it was sent is not known" : `sent ${counted(one.sent, "time")}`;
  return el("p", {}, el("a", { href: link("entry", { sequence: one.sequence }) }, `Entry ${one.sequence}`), ` · ${at(one.time)} · ${sent} `, el("code", {}, one.text));
}

// The live view. What comes from a log is put in as text only, never as markup.

const ROWS_MAX = 2000; // more rows than anybody scrolls; the browser stays fast
const PENDING_MAX = 5000; // while paused or hidden; older ones are counted, not kept
const HISTORY = 200; // entries shown at the start
const NEAR_END_PX = 40;
const FILTER_DELAY_MS = 250;
const RETRY_MS = 2000;

const byId = (id) => document.getElementById(id);
const log = byId("log");
const main = document.querySelector("main");
const filter = byId("filter");
const pause = byId("pause");
const newest = byId("newest");

let stream = null;
let retry = 0;
let after = null; // the last sequence that was received
let total = 0;
let pending = [];
let skipped = 0;
let paused = false;
let following = true;
let scheduled = false;

function setState(state, text) {
  byId("state").dataset.state = state;
  byId("state-text").textContent = text;
}

function parameters() {
  const chosen = new URLSearchParams();
  for (const [name, value] of new FormData(filter)) {
    if (value.trim()) chosen.set(name, value.trim());
  }
  return chosen;
}

function levelClass(level) {
  if (["ERROR"].includes(level)) return "error";
  if (["CRITICAL", "ALERT", "EMERGENCY"].includes(level)) return "critical";
  if (level === "WARNING") return "warning";
  return ["INFO", "NOTICE"].includes(level) ? "info" : "";
}

function cell(name, text, title) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  if (title) element.title = title;
  return element;
}

function row(entry) {
  const line = document.createElement("li");
  if (entry.gap) {
    line.className = "gap";
    line.textContent = `Entries ${entry.gap.first} to ${entry.gap.last} are no longer kept.`;
    return line;
  }
  const named = typeof entry.entry.source === "string" ? entry.entry.source : entry.source;
  line.className = levelClass(entry.level);
  line.append(
    cell("time", new Date(entry.received_at).toLocaleTimeString([], { hour12: false }), entry.received_at),
    cell("level", entry.level || "·"),
    cell("source", named, `${entry.listener} ${entry.source}`),
    cell("message", entry.message),
  );
  return line;
}

function show() {
  scheduled = false;
  if (paused) return;
  const rows = pending.splice(0).slice(-ROWS_MAX).map(row);
  skipped = 0;
  log.append(...rows);
  while (log.childElementCount > ROWS_MAX) log.firstElementChild.remove();
  byId("empty").hidden = log.childElementCount > 0;
  byId("count").textContent = `${total.toLocaleString()} ${total === 1 ? "entry" : "entries"}`;
  if (following) main.scrollTop = main.scrollHeight;
}

function add(entry) {
  if (entry.sequence !== undefined) {
    after = entry.sequence;
    total += 1;
  }
  pending.push(entry);
  if (pending.length > PENDING_MAX) skipped += pending.splice(0, pending.length - PENDING_MAX).length;
  if (paused) pause.textContent = `Resume (${(pending.length + skipped).toLocaleString()})`;
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(show, 1000);
  else requestAnimationFrame(show);
}

function connect() {
  const query = parameters();
  if (after !== null) query.set("after", after);
  const current = new EventSource(`/api/tail?${query}`);
  stream = current;
  current.onopen = () => setState(paused ? "paused" : "live", paused ? "paused" : "live");
  current.onmessage = (event) => add(JSON.parse(event.data));
  current.addEventListener("gap", (event) => add(JSON.parse(event.data)));
  current.onerror = () => {
    setState("connecting", "reconnecting");
    if (current.readyState !== EventSource.CLOSED || current !== stream) return; // the browser tries again itself
    clearTimeout(retry);
    retry = setTimeout(connect, RETRY_MS);
  };
}

async function restart() {
  clearTimeout(retry);
  if (stream) stream.close();
  const mine = (stream = { close() {} });
  const query = parameters();
  query.set("limit", HISTORY);
  try {
    const answer = await fetch(`/api/entries?${query}`);
    if (!answer.ok) throw new Error((await answer.json()).error);
    const page = await answer.json();
    if (mine !== stream) return; // the filter has changed again
    log.replaceChildren();
    pending = page.entries.reverse();
    total = pending.length;
    after = page.after;
    show();
    connect();
  } catch (error) {
    if (mine !== stream) return;
    setState("connecting", error instanceof TypeError ? "server not reachable" : error.message);
    retry = setTimeout(restart, RETRY_MS);
  }
}

let typing = 0;
filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(restart, FILTER_DELAY_MS);
});
filter.addEventListener("submit", (event) => event.preventDefault());

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
  pause.textContent = paused ? "Resume" : "Pause";
  setState(paused ? "paused" : "live", paused ? "paused" : "live");
  if (!paused) show();
});

main.addEventListener("scroll", () => {
  following = main.scrollHeight - main.scrollTop - main.clientHeight < NEAR_END_PX;
  newest.hidden = following;
});
newest.addEventListener("click", () => {
  following = true;
  main.scrollTop = main.scrollHeight;
});

byId("origin").textContent = location.origin;
restart();

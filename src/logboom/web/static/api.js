// Requests to the server that this page came from.

import { parse } from "/static/exact.js";

const SKEW_MS = 2000; // the Date header has whole seconds: less is not a difference
const REST = 10; // times as long as an answer took: what takes the server long is not asked for all the time
const MORE_MS = 200; // between two parts of an answer: others have their turn
const REST_MS_MAX = 30_000; // a server that was away for long is seen soon

let skew = 0;

/** An error answer of the server, or a failure to reach it. */
export class ApiError extends Error {
  constructor(text, status, position = null) {
    super(text);
    this.status = status;
    this.position = position; // in a query that can't be read
  }
}

/** The address of a request; parameters with several values are repeated, empty ones are omitted. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== "" && one !== null && one !== undefined) query.append(name, one);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Read JSON. Throws `ApiError`; an aborted request throws what fetch throws.
 * @param {{parse?: (text: string) => any, patience_ms?: number}} [how] `patience_ms`: time limit for the answer.
 */
export const read = (path, parameters, signal, how) => ask("GET", path, parameters, signal, how);

/** Read a page of entries, with all digits of their numbers. */
export const readEntries = (parameters, signal) => read("/api/entries", parameters, signal, { parse });

/** Delete what the parameters name. Throws as `read` does. */
export const remove = (path, parameters) => ask("DELETE", path, parameters);

/** Send JSON, and return the answer. Throws as `read` does. */
export const send = (method, path, body, signal) => ask(method, path, {}, signal, { body });

async function ask(method, path, parameters, signal, { parse = JSON.parse, patience_ms = 0, body } = {}) {
  const patience = patience_ms ? limited(signal, patience_ms) : { signal };
  try {
    return await answered(method, path, parameters, patience.signal, parse, body);
  } catch (error) {
    if (error.name === "AbortError" && patience.passed?.()) throw new ApiError("the server does not answer", 0);
    throw error;
  } finally {
    patience.end?.();
  }
}

/** An abort signal with a time limit. */
function limited(signal, time_ms) {
  const own = new AbortController();
  const abort = () => own.abort();
  let passed = false;
  const timer = setTimeout(() => {
    passed = true;
    abort();
  }, time_ms);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  const end = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  };
  return { signal: own.signal, passed: () => passed, end };
}

async function answered(method, path, parameters, signal, parse, content) {
  let answer;
  try {
    const sent = content === undefined ? {} : { body: JSON.stringify(content), headers: { "Content-Type": "application/json" } };
    answer = await fetch(address(path, parameters), { method, signal, cache: "no-store", ...sent });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the server can't be reached", 0);
  }
  const date = Date.parse(answer.headers.get("Date") ?? "");
  if (date) skew = Math.abs(date - Date.now()) > SKEW_MS ? date - Date.now() : 0;
  if (answer.status === 401) dispatchEvent(new Event("login-needed"));
  let body = null;
  try {
    body = parse(await answer.text());
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name !== "SyntaxError") throw new ApiError("the connection broke off", 0);
  }
  if (!answer.ok || body === null) throw new ApiError(body?.error ?? `the server answered ${answer.status}`, answer.status, body?.position ?? null);
  return body;
}

/** The server's time, in ms since the epoch, so that "the last hour" does not depend on this machine's clock. */
export function serverNow() {
  return Date.now() + skew;
}

/**
 * Call `act(signal)` now and every `interval_ms` after it has ended, while the page is visible; more rarely where it
 * takes long, unless it returns true, which requests the next call at once.
 * @returns {{now: () => void, stop: () => void}} `now` starts a round at once.
 */
export function poll(act, interval_ms) {
  let timer = 0;
  let current = null;
  async function round() {
    clearTimeout(timer);
    current?.abort();
    const mine = (current = new AbortController());
    const began = performance.now();
    let more = false;
    try {
      if (!document.hidden) more = await act(mine.signal);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    } finally {
      const rest_ms = more === true ? MORE_MS : Math.max(interval_ms, Math.min(REST_MS_MAX, REST * (performance.now() - began)));
      if (mine === current && !mine.signal.aborted && !document.hidden) timer = setTimeout(round, rest_ms);
    }
  }
  const visible = () => {
    if (document.hidden) clearTimeout(timer);
    else round();
  };
  document.addEventListener("visibilitychange", visible);
  round();
  return {
    now: round,
    stop() {
      clearTimeout(timer);
      current?.abort();
      document.removeEventListener("visibilitychange", visible);
    },
  };
}

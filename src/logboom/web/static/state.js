// State of the server in a few words: the more severe of its problems and its firing alerts; and whether it answers.

import { read } from "/static/api.js";
import { counted } from "/static/format.js";

const WEIGHTS = ["ok", "warning", "error"];
const OF_ALERTS = { warning: "warning", critical: "error" };
const COVERED = ["inactive", "listener_down"]; // rules about the same conditions as `problems`
const PATIENCE_MS = 8000; // the server answers from memory: one that hangs shows nothing new

/** Time of the server's last answer, ms since the epoch; null before the first one. */
let answered_at = null;
let stale = false;

/** Time since which the server has not answered, ms since the epoch; null: it answers, or has never answered. */
export const staleSince = () => (stale ? answered_at : null);

function setStale(now) {
  if (!now) answered_at = Date.now();
  if (stale === now) return;
  stale = now;
  dispatchEvent(new Event("staleness"));
}

/**
 * Request the state. `staleness` is dispatched when the server stops or starts answering.
 * @returns {Promise<{status: object, alerts: object|null, state: string, badge: string, texts: string[]}>} `status` and
 *   `alerts` are answers of the API; `texts` has one text per problem.
 */
export async function readState(signal) {
  let status, alerts;
  try {
    [status, alerts] = await Promise.all([read("/api/status", {}, signal, { patience_ms: PATIENCE_MS }), quietly("/api/alerts", signal)]);
  } catch (error) {
    if (error.name !== "AbortError" && !isLogin(error)) setStale(true);
    throw error;
  }
  setStale(false);
  const { firing, worst } = status.alerts;
  const problems = status.problems.length;
  const weight = Math.max(WEIGHTS.indexOf(status.status), WEIGHTS.indexOf(OF_ALERTS[worst] ?? "ok"));
  const badge = firing ? counted(firing, "alert") : problems ? counted(problems, "problem") : status.status;
  const covered = problems ? COVERED : [];
  const fire = (alerts?.alerts ?? []).filter((one) => one.state === "firing" && !covered.includes(one.rule));
  const texts = new Set([...status.problems, ...fire.map((one) => one.text)]);
  return { status, alerts, state: WEIGHTS[weight], badge, texts: [...texts] };
}

/** Return whether the server requires a token: then it answers, and the form is shown. */
const isLogin = (error) => error.status === 401 || error.status === 403;

async function quietly(path, signal) {
  try {
    return await read(path, {}, signal, { patience_ms: PATIENCE_MS });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null; // the status has their number
  }
}

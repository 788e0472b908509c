// How the server is, in a few words: the worse of its own trouble and of the alerts that fire.

import { read } from "/static/api.js";
import { counted } from "/static/format.js";

const WEIGHTS = ["ok", "warning", "error"];
const OF_ALERTS = { warning: "warning", critical: "error" };
const TOLD = ["inactive", "listener_down"]; // rules on what `problems` tell of, too

/**
 * Ask how the server is.
 * @returns {Promise<{status: object, alerts: object|null, state: string, badge: string, texts: string[]}>} `status` and
 *   `alerts` are answers of the API; `texts` tell what is wrong, one each.
 */
export async function readState(signal) {
  const [status, alerts] = await Promise.all([read("/api/status", {}, signal), quietly("/api/alerts", signal)]);
  const { firing, worst } = status.alerts;
  const problems = status.problems.length;
  const weight = Math.max(WEIGHTS.indexOf(status.status), WEIGHTS.indexOf(OF_ALERTS[worst] ?? "ok"));
  const badge = firing ? counted(firing, "alert") : problems ? counted(problems, "problem") : status.status;
  const told = problems ? TOLD : [];
  const fire = (alerts?.alerts ?? []).filter((one) => one.state === "firing" && !told.includes(one.rule));
  const texts = new Set([...status.problems, ...fire.map((one) => one.text)]);
  return { status, alerts, state: WEIGHTS[weight], badge, texts: [...texts] };
}

async function quietly(path, signal) {
  try {
    return await read(path, {}, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null; // the status has their number
  }
}

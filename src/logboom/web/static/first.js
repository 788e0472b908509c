// The first visit: how to send the first entry, for those who need it, and a light that shows its arrival.

import { copyButton } from "/static/copying.js";
import { command, el, setData, setText } from "/static/dom.js";
import { link } from "/static/route.js";

const KINDS = [["maker", "A maker"], ["plant", "A plant"], ["team", "A team"]];
const TOKEN = "$LOGBOOM_TOKEN";

/** Lines to copy: `[kind, what it does, the line]`, with the host and the ports of this server. */
function linesOf(listeners, asks_for_token) {
  const host = location.hostname;
  const port = (protocol) => listeners.find((one) => one.protocol === protocol && one.alive)?.ports[0];
  const tcp = (protocol, line) => port(protocol) && `printf '${JSON.stringify(line)}\\n' | nc -q1 ${host} ${port(protocol)}`;
  const bearer = asks_for_token ? ` -H "Authorization: Bearer ${TOKEN}"` : "";
  const token = asks_for_token ? ", token=os.environ['LOGBOOM_TOKEN']" : "";
  const imports = asks_for_token ? "import logging, os, logboom" : "import logging, logboom";
  const handler = `${imports}; logging.basicConfig(level=logging.INFO, handlers=[logboom.LogboomHandler('${location.origin}'${token})]); logging.info('hello')`;
  const time = new Date().toISOString().slice(0, 19).replace("T", " ");
  const curl = `curl${bearer} -d '{"level":"info","message":"hello"}' ${location.origin}/api/entries`;
  return [
    ["maker", "From any shell", curl],
    ["maker", "As a board does, over TCP", tcp("device", { boot_seq: 1, uptime_ms: 1, seq: 0, level: "info", msg: "hello" })],
    ["maker", "Let a sensor be played", port("gateway") && `logboom simulate sensor --to tcp://${host}:${port("gateway")}`],
    ["plant", "A reading, as a gateway sends it", tcp("gateway", { id: "boiler-1", time, temp: 71.5, rh: 40, lux: 300 })],
    ["plant", "A device of the network, over syslog", port("syslog") && `logger --tcp --octet-count --server ${host} --port ${port("syslog")} --tag pumps "valve stuck"`],
    ["plant", "Also take syslog and MQTT: start the server with", !port("syslog") && "logboom serve --with syslog,mqtt"],
    ["plant", "A log file of a machine", `logboom send pump.log --follow --to ${location.origin.replace(/^http/, "ws")}`],
    ["plant", "Any program that can send HTTP", curl],
    ["team", "A Python application", `pip install logboom && python -c "${handler}"`],
    ["team", "The output of a command", `logboom run --to ${location.origin.replace(/^http/, "ws")} -- df -h`],
    ["team", "OpenTelemetry", port("otlp") && `export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://${host}:${port("otlp")}/v1/logs`],
    ["team", "Also take OpenTelemetry and Loki: start the server with", !port("otlp") && "logboom serve --with otlp,loki"],
  ].filter(([, , line]) => line);
}

export class FirstVisit {
  constructor() {
    this.kind = KINDS[0][0];
    this.light = el("p", { class: "light", role: "status", data: { state: "unknown" } }, el("span", { class: "dot" }), el("span", {}, "Waiting for the first entry"));
    this.tabs = el("span", { class: "tabs", role: "group", "aria-label": "Who sends" }, KINDS.map(([kind, text]) =>
      el("button", { type: "button", data: { kind }, on: { click: () => this.#choose(kind) } }, text)));
    this.lines = el("dl", { class: "first-lines" });
    this.next = el("p", { hidden: true }, el("a", { href: link("live") }, "Watch entries arrive"), " · ", el("a", { href: link("search") }, "Search them"));
    this.element = el("section", { class: "first", "aria-label": "The first entry", hidden: true },
      el("h2", {}, "Send the first entry"), this.light, this.next, this.tabs, this.lines);
  }

  /** Show the first steps while the journal is empty, and then that an entry has arrived. */
  update(status) {
    const arrived = status.journal.entries > 0;
    if (arrived && this.element.hidden) return;
    setData(this.light, "state", arrived ? "ok" : "unknown");
    setText(this.light.lastChild, arrived ? "The first entry has arrived" : "Waiting for the first entry");
    this.next.hidden = !arrived;
    this.element.hidden = false;
    const ports = JSON.stringify(status.listeners.map((one) => [one.protocol, one.ports, one.alive]));
    if (ports === this.ports) return; // the lines stay, so that they can be marked
    this.ports = ports;
    this.listeners = status.listeners;
    this.#choose(this.kind);
  }

  #choose(kind) {
    this.kind = kind;
    for (const tab of this.tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === kind));
    const asks_for_token = !document.getElementById("logout").hidden;
    const lines = linesOf(this.listeners, asks_for_token).filter(([one]) => one === kind);
    this.lines.replaceChildren(...lines.map(([, what, line]) => [el("dt", {}, what), el("dd", {}, command(line), copyButton(line))]).flat());
  }
}

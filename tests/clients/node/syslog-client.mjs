import { createRequire } from "node:module";

const syslog = createRequire(import.meta.url)("syslog-client");
const SEVERITIES = { info: "Informational", warn: "Warning", error: "Error" };

export async function connect(url, variant) {
  const client = syslog.createClient("127.0.0.1", {
    port: Number(new URL(url).port),
    transport: syslog.Transport[variant],
    syslogHostname: "north",
    appName: "pumps",
    rfc3164: false,
  });
  return async (entries) => {
    for (const { level, message } of entries) {
      const severity = syslog.Severity[SEVERITIES[level]];
      await new Promise((resolve) => client.log(message, { severity }, resolve));
    }
    return true; // the bytes were written, no more
  };
}

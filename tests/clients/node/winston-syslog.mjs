import { createRequire } from "node:module";
import winston from "winston";

const { Syslog } = createRequire(import.meta.url)("winston-syslog");

export async function connect(url, variant) {
  const [protocol, type] = variant.split("-");
  const transport = new Syslog({
    host: "127.0.0.1",
    port: Number(new URL(url).port),
    protocol,
    type,
    app_name: "pumps",
    localhost: "north",
  });
  const logger = winston.createLogger({ levels: winston.config.syslog.levels, transports: [transport] });
  return async (entries) => {
    for (const { level, message } of entries) logger.log({ level: level === "warn" ? "warning" : level, message });
    return true; // it has no report
  };
}

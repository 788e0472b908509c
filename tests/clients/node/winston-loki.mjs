import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const winston = require("winston");
const LokiTransport = require("winston-loki");

export async function connect(url, json = false) {
  let isDelivered = true;
  const transport = new LokiTransport({
    host: url,
    json,
    labels: { app: "pumps" },
    interval: 0.05,
    format: winston.format.json(),
    gracefulShutdown: false,
    onConnectionError: () => {
      isDelivered = false;
    },
  });
  // After a failure the batch is sent again in 60 s: too long for a test.
  transport.batcher.circuitBreakerInterval = 50;
  const logger = winston.createLogger({ transports: [transport] });
  return async (entries) => {
    isDelivered = true;
    for (const { level, message } of entries) logger.log({ level, message });
    await transport.flush();
    return isDelivered;
  };
}

import pino from "pino";
import { pinoLoki } from "pino-loki";

export async function connect(url) {
  return async (entries) => {
    let isDelivered = true;
    console.error = () => {
      isDelivered = false; // its only report of a failure
    };
    const stream = pinoLoki({ host: url, labels: { app: "pumps" }, batching: { interval: 3600 } });
    const logger = pino({}, stream);
    for (const { level, message } of entries) logger[level](message);
    const closed = new Promise((resolve) => stream.on("close", resolve));
    stream.end();
    await closed;
    return isDelivered;
  };
}

import pino from "pino";
import pinoElastic from "pino-elasticsearch";

export async function connect(url) {
  return async (entries) => {
    const stream = pinoElastic({ index: "pumps", node: url, esVersion: 8, opType: "create", flushBytes: 100000 });
    const counted = new Promise((resolve) => {
      stream.on("insert", (found) => resolve(found.successful === entries.length));
      stream.on("insertError", () => resolve(false));
      stream.on("error", () => resolve(false));
    });
    const logger = pino({}, stream);
    for (const { level, message } of entries) logger[level](message);
    stream.end();
    return counted;
  };
}

import { createRequire } from "node:module";

const LumberjackClient = createRequire(import.meta.url)("lumberjack-client");

export async function connect(url) {
  const client = new LumberjackClient({ host: "127.0.0.1", port: Number(new URL(url).port) });
  return async (entries) => {
    for (const { level, message } of entries) {
      client.log({ "@timestamp": new Date(), message, level, service: { name: "pumps" }, host: { name: "north" } });
    }
    return true; // it reads no acknowledgement
  };
}

import { createRequire } from "node:module";

const { FluentClient } = createRequire(import.meta.url)("@fluent-org/logger");

export async function connect(url, variant) {
  const client = new FluentClient("pumps", {
    eventMode: variant === "auth" ? "PackedForward" : variant,
    ack: { ackTimeout: 10000 },
    socket: { host: "127.0.0.1", port: Number(new URL(url).port), timeout: 10000 },
    ...(variant === "auth" && { security: { clientHostname: "north", sharedKey: "s3cret" } }),
  });
  return async (entries) => {
    await Promise.all(entries.map(({ level, message }) => client.emit({ level, message })));
    return true;
  };
}

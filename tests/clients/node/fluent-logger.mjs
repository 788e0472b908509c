import { createRequire } from "node:module";

const fluent = createRequire(import.meta.url)("fluent-logger");

export async function connect(url, variant) {
  const sender = fluent.createFluentSender("pumps", {
    host: "127.0.0.1",
    port: Number(new URL(url).port),
    eventMode: variant === "auth" ? "Message" : variant,
    requireAckResponse: true,
    ackResponseTimeout: 10000,
    reconnectInterval: 50,
    milliseconds: true,
    internalLogger: { info() {}, error() {} }, // its own writes to stdout
    ...(variant === "auth" && { security: { clientHostname: "north", sharedKey: "s3cret" } }),
  });
  return async (entries) => {
    const sendings = entries.map(
      ({ level, message }) => new Promise((resolve) => sender.emit({ level, message }, (error) => resolve(!error))),
    );
    return (await Promise.all(sendings)).every(Boolean);
  };
}

import { createRequire } from "node:module";

const gelf = createRequire(import.meta.url)("gelf-pro");

export async function connect(url, variant) {
  gelf.setConfig({
    fields: { facility: "pumps" },
    adapterName: variant,
    adapterOptions: { host: "127.0.0.1", port: Number(new URL(url).port) },
  });
  return async (entries) => {
    const sendings = entries.map(
      ({ level, message }) =>
        new Promise((resolve) => gelf[level](message, { big: 12345678901 }, (error) => resolve(!error))),
    );
    return (await Promise.all(sendings)).every(Boolean);
  };
}

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const winston = require("winston");
const { ElasticsearchTransport } = require("winston-elasticsearch");

export async function connect(url) {
  const transport = new ElasticsearchTransport({
    clientOpts: { node: url },
    dataStream: true,
    flushInterval: 50,
    internalLogger: () => {},
  });
  transport.on("warning", () => {});
  const { bulkWriter } = transport;
  const write = bulkWriter.write.bind(bulkWriter);
  let writing = 0;
  bulkWriter.write = async (body) => {
    writing += 1;
    await write(body);
    writing -= 1;
  };
  const logger = winston.createLogger({ transports: [transport] });
  return async (entries) => {
    for (const { level, message } of entries) logger.log({ level, message });
    do {
      await new Promise((resolve) => setTimeout(resolve, 10));
    } while (writing || bulkWriter.bulk.length);
    return true;
  };
}

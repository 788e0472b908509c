// Runs one client: `node driver.mjs NAME PORT`, where NAME is a file here, with a variant of it behind a colon. Each line of its input is a JSON array of entries, `{"level", "message",
// "id"}`; each line of its output is true if the client reported all of them as delivered.
import { createInterface } from "node:readline";

const [name, port] = process.argv.slice(2);
const [file, variant] = name.split(":");
const { connect } = await import(`./${file}.mjs`);
const deliver = await connect(`http://127.0.0.1:${port}`, variant);
for await (const line of createInterface({ input: process.stdin })) {
  const isDelivered = await deliver(JSON.parse(line)).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    return false;
  });
  process.stdout.write(`${isDelivered}\n`);
}
process.exit(0);

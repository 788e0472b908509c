import { Client } from "@elastic/elasticsearch";

export async function connect(url) {
  const client = new Client({ node: url, maxRetries: 100000 });
  return async (entries) => {
    const found = await client.helpers.bulk({
      datasource: entries,
      onDocument: ({ id }) => ({ create: { _index: "pumps", _id: id } }),
      onDrop: () => {},
      retries: 100,
      wait: 20,
    });
    return found.successful + found.failed === entries.length; // a repeat is answered with 409
  };
}

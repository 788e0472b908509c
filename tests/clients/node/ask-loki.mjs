// Queries of @myunisoft/loki: `node ask-loki.mjs PORT`; prints the answers as one JSON object.
import { GrafanaApi } from "@myunisoft/loki";

const { Loki } = new GrafanaApi({ remoteApiURL: `http://127.0.0.1:${process.argv[2]}` });
const range = { start: "1h" };
const answers = {
  labels: await Loki.labels(range),
  values: await Loki.labelValues("app", range),
  series: await Loki.series('{app="pumps"}'),
  lines: await Loki.queryRange('{app="pumps"} |= "stuck"', { ...range, pattern: "valve <state> at <number> %" }),
  counts: await Loki.queryRangeMatrix('sum by (app) (count_over_time({app="pumps"}[1h]))', range),
};
process.stdout.write(JSON.stringify(answers));

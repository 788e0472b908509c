// Facets of two parts of a range as one answer. What the two do not say for sure is marked as an estimate.

const PLACES = ["level", "source", "listener"]; // they come first
const FIELDS_MAX = 100; // as the server has it
const VALUES_MAX = 100; // values of a field that are kept: as many as one answer has
const HALVINGS = 64; // steps that find a percentile: as many as a number has bits
const SHARES = { p50: 0.5, p90: 0.9, p99: 0.99 };

/** Join an answer with the one for the entries before its `before`. */
export function joinedFacets(newer, older) {
  const rows = new Map(newer.facets.map((row) => [row.field, row]));
  const inOlder = new Set(older.facets.map((row) => row.field));
  for (const row of older.facets) {
    const before = rows.get(row.field);
    if (!before) rows.set(row.field, { ...row, complete: row.complete && !newer.fields_left_out });
    else if (!before.complete) rows.set(row.field, joinedRow(before, row));
  }
  const ended = older.complete && !older.fields_left_out;
  const joined = [...rows.values()].map((row) => (ended && !inOlder.has(row.field) ? { ...row, complete: true } : row));
  const places = PLACES.flatMap((name) => joined.filter((row) => row.field === name));
  const fields = joined.filter((row) => !PLACES.includes(row.field)).sort((one, other) => other.count - one.count);
  return {
    ...older,
    facets: [...places, ...fields.slice(0, FIELDS_MAX)],
    fields_left_out: newer.fields_left_out || older.fields_left_out || fields.length > FIELDS_MAX,
    entries: newer.entries + older.entries,
    progress: newer.progress + (1 - newer.progress) * older.progress,
  };
}

function joinedRow(row, more) {
  const counts = new Map();
  for (const one of [...row.values, ...more.values]) {
    const key = JSON.stringify(one.value);
    counts.set(key, { value: one.value, count: one.count + (counts.get(key)?.count ?? 0) });
  }
  const whole = hasAllValues(row) && hasAllValues(more);
  return {
    field: row.field,
    count: row.count + more.count,
    distinct: whole ? counts.size : Math.max(row.distinct, more.distinct, counts.size),
    distinct_exact: whole,
    values: [...counts.values()].sort((one, other) => other.count - one.count).slice(0, VALUES_MAX),
    values_exact: whole,
    numbers: joinedNumbers(row.numbers, more.numbers, whole ? [...counts.values()] : []),
    complete: more.complete,
  };
}

const hasAllValues = (row) => row.values_exact && row.distinct_exact && row.values.length === row.distinct;

/** `values`: all of them with their counts; none where they are not known, and percentiles are estimated. */
function joinedNumbers(one, other, values) {
  if (!one || !other) return one ?? other;
  const parts = [one, other];
  const count = one.count + other.count;
  const ends = { min: Math.min(one.min, other.min), max: Math.max(one.max, other.max) };
  const known = values.filter(({ value }) => typeof value === "number").sort((first, second) => first.value - second.value);
  const exact = known.reduce((sum, { count: times }) => sum + times, 0) === count;
  const at = (share) => (exact ? nth(known, Math.ceil(share * count)) : percentile(parts, share * count, ends));
  const percentiles = Object.entries(SHARES).map(([name, share]) => [name, at(share)]);
  const mean = (one.mean * one.count + other.mean * other.count) / count;
  return { count, ...ends, mean, ...Object.fromEntries(percentiles), exact };
}

function nth(known, wanted) {
  let reached = 0;
  return known.find(({ count }) => (reached += count) >= wanted).value;
}

/** Return the smallest number that so many numbers of all parts do not exceed. */
function percentile(parts, wanted, { min, max }) {
  const upTo = (limit) => parts.reduce((sum, part) => sum + part.count * shareUpTo(part, limit), 0);
  if (upTo(min) >= wanted) return min;
  let [low, high] = [min, max];
  for (let step = 0; step < HALVINGS; step += 1) {
    const middle = (low + high) / 2;
    if (upTo(middle) >= wanted) high = middle;
    else low = middle;
  }
  return high;
}

/** Return the share of numbers up to a limit, on straight lines between the known percentiles. */
function shareUpTo(numbers, limit) {
  if (limit >= numbers.max) return 1;
  const known = [[numbers.min, 0], ...Object.entries(SHARES).map(([name, share]) => [numbers[name], share]), [numbers.max, 1]];
  for (let place = 1; place < known.length; place += 1) {
    const [[low, below], [high, above]] = [known[place - 1], known[place]];
    if (low <= limit && limit < high) return below + ((above - below) * (limit - low)) / (high - low);
  }
  return 0;
}

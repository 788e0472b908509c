// Conditions of the query language, made by clicks.

const PROPERTIES = ["level", "source", "listener"];
const NAME = /^[\p{L}_@$][^\s()":=<>~*]*$/u;
const BARE = /^-?\w[\w-]*(\.[\w-]+)*$/;

const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** The condition that a field has exactly this value, a text or a number. */
export function condition(field, value) {
  const text = String(value);
  const name = NAME.test(field) ? field : quoted(field);
  return `${name}${PROPERTIES.includes(field) ? ":" : ":="}${BARE.test(text) ? text : quoted(text)}`;
}

/** A query with one more condition; its opposite is removed. */
export function narrowed(query, added) {
  const opposite = added.startsWith("-") ? added.slice(1) : `-${added}`;
  const parts = ` ${query} `;
  if (parts.includes(` ${added} `)) return query;
  const rest = parts.includes(` ${opposite} `) ? parts.replace(` ${opposite} `, " ").trim() : query;
  if (!rest) return added;
  const outer = rest.replace(/"(?:[^"\\]|\\.)*"/g, "x").replace(/\([^()]*\)/g, " ");
  return /(^|\s)or(\s|$)/i.test(outer) ? `(${rest}) ${added}` : `${rest} ${added}`;
}

/** The query that finds what the filters of a view find, whatever their time is. */
export function asQuery({ q = "", level = "", source = "", listener = "" }) {
  const named = [["source", source], ["listener", listener]].filter(([, value]) => value);
  const parts = [...(level ? [`level:>=${level.toLowerCase()}`] : []), ...named.map(([name, value]) => condition(name, value))];
  return parts.reduce(narrowed, q);
}

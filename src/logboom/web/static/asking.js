// The filters of the page's address as those of the API.

import { condition, narrowed } from "/static/conditions.js";

/** Filters that Search and Live share. `source` has one name per line, `level` a least level, or `=LEVEL` for just this one. */
export const SHARED = ["q", "level", "source", "listener"];

/** The shared filters of an address. */
export const sharedOf = (parameters) =>
  Object.fromEntries(SHARED.map((name) => [name, name === "source" ? parameters.getAll(name).join("\n") : (parameters.get(name) ?? "")]));

/** The shared filters for an address. */
export const addressOf = ({ source = "", ...rest }) => ({ ...rest, source: source.split("\n") });

/** The filters for the API: several sources and exact levels become conditions of the query. */
export function askedOf({ q = "", level = "", source = "", ...rest }) {
  const sources = source.split("\n").filter(Boolean);
  const several = sources.length > 1 ? `(${sources.map((name) => condition("source", name)).join(" or ")})` : "";
  const exact = level.startsWith("=") ? condition("level", level.slice(1)) : "";
  const query = [several, exact].filter(Boolean).reduce(narrowed, q.trim());
  return { ...rest, q: query, level: exact ? "" : level, source: several ? "" : source };
}

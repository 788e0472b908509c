// An entry as text of several lines, for a row that is unfolded in place.

import { isObject, written } from "/static/exact.js";
import { messageOf } from "/static/sender.js";

const FIELDS_MAX = 200; // the panel has more
const CHARACTERS_MAX = 20_000;
const DEPTH_MAX = 12;
const MESSAGE_KEYS = ["msg", "message"];

function lines(found, value, outer, depth) {
  for (const [name, inner] of Object.entries(value)) {
    if (found.length >= FIELDS_MAX) return;
    if (!depth && MESSAGE_KEYS.includes(name)) continue;
    const nested = isObject(inner) && depth < DEPTH_MAX && Object.keys(inner).length > 0;
    if (nested) {
      lines(found, inner, `${outer}${name}.`, depth + 1);
      continue;
    }
    const text = written(inner);
    found.push(text.includes("\n") ? `${outer}${name}:\n${text.replace(/^/gm, "  ")}` : `${outer}${name}: ${text}`);
  }
}

/** The whole message, then one line per field; a text of several lines keeps them. */
export function unfoldedText(item) {
  const found = [];
  lines(found, item.entry ?? {}, "", 0);
  const text = [messageOf(item), ...found].filter((line) => line !== null && line !== "").join("\n");
  return text.length > CHARACTERS_MAX ? `${text.slice(0, CHARACTERS_MAX)} …` : text;
}

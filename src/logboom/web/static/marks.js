// The words of a query, marked where they are found.

const TERM = /\s+|(-(?=[^\s>]))|([()])|((?:or|and|not)(?=[\s()"]|$))|(?:("(?:[^"\\]|\\.)*"|[\p{L}_@$][^\s()":=<>~*]*)(:=|:|=))?(~?"(?:[^"\\]|\\.)*"|[^\s()"]+)|./giuy;
const PROPERTIES = ["level", "source", "listener"]; // not texts of the entry
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;
const MESSAGE = new Set(["msg", "message"]);
const TEXTS_MAX = 50; // more than anyone sees on a line

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
const unquoted = (text) => text.slice(1, -1).replace(/\\(["\\])/g, "$1");

/** The regular expression of one value of a query; empty for a comparison. */
function sourceOf(value) {
  if (value.startsWith("~")) return value.slice(2, -1).replaceAll('\\"', '"').replace(/^\(\?i\)/, "");
  if (value.startsWith('"')) return escaped(unquoted(value));
  if (/^[<>]|\.\./.test(value)) return "";
  const core = value.replace(/^\*+|\*+$/g, "");
  if (!core) return "";
  const bound = (open, look) => (open || UNSPACED.test(core) || !/[\p{L}\p{N}_]/u.test(core) ? "" : look);
  return bound(value.startsWith("*"), "(?<![\\p{L}\\p{N}_])") + escaped(core) + bound(value.endsWith("*"), "(?![\\p{L}\\p{N}_])");
}

function compiled(sources) {
  if (!sources.length) return null;
  try {
    return new RegExp(sources.slice(0, TEXTS_MAX).join("|"), "giu");
  } catch {
    return null; // a regular expression of the server's syntax only
  }
}

/** What a query looks for, by field. Negated conditions look for nothing. */
export class Marks {
  constructor(query = "") {
    this.parts = [];
    const negated = []; // one flag per open parenthesis
    let not = false;
    for (const [, minus, bracket, word, name, , value] of query.matchAll(TERM)) {
      if (minus || /^not$/i.test(word ?? "")) not = !not;
      else if (bracket === "(") negated.push(not);
      else if (bracket === ")") negated.pop();
      else if (value && !not && !negated.includes(true)) this.#add(name, value);
      if (bracket || value) not = false;
    }
    this.known = new Map();
  }

  #add(name, value) {
    const field = name?.startsWith('"') ? unquoted(name) : (name ?? null);
    if (PROPERTIES.includes(field)) return;
    const source = sourceOf(value);
    if (source) this.parts.push({ field: MESSAGE.has(field) ? "message" : field, source });
  }

  /** The regular expression for the text of a field, or null. */
  of(field) {
    const name = MESSAGE.has(field) ? "message" : field;
    if (!this.known.has(name)) {
      const wanted = this.parts.filter((part) => part.field === null || part.field === name);
      this.known.set(name, compiled(wanted.map((part) => part.source)));
    }
    return this.known.get(name);
  }
}

/** The pieces of a text: strings, and `mark` elements for what a pattern finds. */
export function pieces(text, pattern) {
  if (!pattern) return [text];
  const found = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (!match[0]) continue;
    const mark = document.createElement("mark");
    mark.textContent = match[0];
    found.push(text.slice(end, match.index), mark);
    end = match.index + match[0].length;
  }
  return [...found, text.slice(end)].filter((piece) => piece !== "");
}

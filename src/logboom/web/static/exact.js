// JSON with all digits of its numbers. JavaScript reads each as a double: large integers and long decimals are rounded.

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
/** A random word, which no log contains. */
const MARK = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
const WRITTEN = new RegExp(`"${MARK}([^"]*)"`, "g");

/** A number with its original digits, if JavaScript would write it differently. In calculations it is rounded. */
export class Digits {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }

  valueOf() {
    return Number(this.text);
  }

  toJSON() {
    return `${MARK}${this.text}`;
  }
}

/** Parse JSON; numbers are `Digits` if a double would be written differently. Throws as `JSON.parse` does. */
export function parse(text) {
  let marked = false;
  const readable = text.replace(TOKENS, (token) => {
    if (token[0] === '"' || String(Number(token)) === token) return token;
    marked = true;
    return `{"${MARK}":"${token}"}`;
  });
  return marked ? JSON.parse(readable, revive) : JSON.parse(text);
}

function revive(_key, value) {
  return isObject(value) && Object.hasOwn(value, MARK) ? new Digits(value[MARK]) : value;
}

/** JSON text of a result of `parse`, with the original digits. */
export function stringify(value, indent) {
  return JSON.stringify(value, null, indent).replaceAll(WRITTEN, "$1");
}

/** A value on one line: a text unchanged, all others as JSON. */
export const written = (value) => (typeof value === "string" ? value : stringify(value));

/** Return whether a value is a number or `Digits`. */
export const isNumber = (value) => typeof value === "number" || value instanceof Digits;

/** Return whether a value is an object or a list. */
export const isObject = (value) => value !== null && typeof value === "object" && !(value instanceof Digits);

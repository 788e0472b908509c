// Choices that the browser keeps, in `localStorage`. Where storage is forbidden, they last until the page is closed.

const memory = new Map();

/** A kept choice, or `otherwise`. */
export function kept(name, otherwise) {
  if (memory.has(name)) return memory.get(name);
  try {
    return JSON.parse(localStorage.getItem(`logboom-${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Keep a choice: any JSON. */
export function keep(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(`logboom-${name}`, JSON.stringify(value));
  } catch {
    // kept in memory
  }
}

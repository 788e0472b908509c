// Elements. Whatever comes from a log goes in as text, never as markup: there is no other way here.

/**
 * Make an element.
 * @param {string} tag its name.
 * @param {object} properties `class`, `data` (dataset), `on` (listeners), else an attribute; null and false are left out.
 * @param {...(Node|string|number|null|Array)} children texts become text nodes.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set a text, only when it differs: nothing flickers, no selection is lost. */
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set an attribute of data, only when it differs. */
export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * Make a parent's children those of `items`, keeping the elements of items that stay.
 * @param {Element} parent
 * @param {Array} items
 * @param {(item) => string} keyOf tells which element belongs to an item.
 * @param {(item) => Element} make makes the element of a new item.
 * @param {(element, item) => void} update brings an element up to date.
 */
export function reconcile(parent, items, keyOf, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = old.get(key);
    old.delete(key);
    if (!element) {
      element = make(item);
      element.dataset.key = key;
    }
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const left of old.values()) left.remove();
}

/** A command to copy, of an empty state. */
export function command(text) {
  return el("code", { class: "command" }, text);
}

/** What to send to see something: the same line everywhere. */
export function curlLine() {
  return command(`curl -d '{"level":"info","message":"hello"}' ${location.origin}/api/entries`);
}

/** Says that there is nothing, and what to do. */
export function empty(text, ...more) {
  return el("div", { class: "empty" }, el("p", {}, text), ...more);
}

let lastId = 0;
/** An id that no other element has. */
export function freshId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

// Elements. Content of logs is only ever inserted as text, never as markup.

/**
 * Make an element.
 * @param {string} tag its name.
 * @param {object} properties `class`, `data` (dataset), `on` (listeners), else an attribute; null and false are omitted.
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

/** Set a text if it differs, so that nothing flickers and no selection is lost. */
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set a data attribute if it differs. */
export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * Make a parent's children those of `items`, keeping the elements of items that stay.
 * @param {Element} parent
 * @param {Array} items
 * @param {(item) => string} keyOf returns the key by which an item's element is found.
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

/** A command to copy, for an empty state. */
export function command(text) {
  return el("code", { class: "command" }, text);
}

/** The command that sends a first entry, for empty states. */
export function curlLine() {
  return command(`curl -d '{"level":"info","message":"hello"}' ${location.origin}/api/entries`);
}

/** Empty state: a text with instructions. */
export function empty(text, ...more) {
  return el("div", { class: "empty" }, el("p", {}, text), ...more);
}

let lastId = 0;
/** Make a unique id for an element. */
export function freshId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

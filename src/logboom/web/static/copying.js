// A button that copies a text.

import { el } from "/static/dom.js";

const SHOWN_MS = 1500;

/**
 * @param {string|(() => string)} text
 * @param {string} label text of the button.
 */
export function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    button.textContent = (await copied(typeof text === "string" ? text : text())) ? "Copied" : "Can’t copy";
    setTimeout(() => (button.textContent = label), SHOWN_MS);
  });
  return button;
}

/** Copy a text; over plain HTTP, browsers support only the older method. Returns whether it was done. */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// A button with an inline confirmation.

import { el, setText } from "/static/dom.js";

/**
 * @param {{text: string, label: string, hint: string, question: string}} words `text` is the button's text, `label`
 *   its accessible name.
 * @param {() => Promise<void>} act the action; an error's message is shown.
 */
export function confirmButton({ text, label, hint, question }, act) {
  const button = (shown, name, press) => el("button", { type: "button", "aria-label": name, title: hint, on: { click: press } }, shown);
  const first = button(text, label, () => ask(true));
  const asked = el("span", { role: "status" });
  const yes = button("Yes", `${label}: yes`, async () => {
    yes.disabled = true;
    try {
      await act();
    } catch (error) {
      setText(asked, error.message);
    } finally {
      yes.disabled = false;
    }
  });
  const no = button("No", `${label}: no`, () => ask(false));
  const choice = el("span", { hidden: true }, yes, " ", no);
  function ask(asking) {
    first.hidden = asking;
    choice.hidden = !asking;
    setText(asked, asking ? question : "");
    (asking ? no : first).focus({ preventScroll: true });
  }
  const leave = (event) => event.key === "Escape" && !choice.hidden && ask(false);
  return el("span", { class: "confirm", on: { keydown: leave } }, first, asked, choice);
}

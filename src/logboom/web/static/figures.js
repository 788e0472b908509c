// A row of large numbers, each with its name and a note.

import { el, reconcile, setText } from "/static/dom.js";

export class Figures {
  constructor() {
    this.element = el("dl", { class: "figures" });
  }

  /** Show figures: name, text, note, and what a pointer over the text shows. */
  set(figures) {
    reconcile(this.element, figures, ([name]) => name,
      ([name]) => el("div", {}, el("dt", {}, name), el("dd", {}, el("b"), el("span"))),
      (box, [, text, note, hint]) => {
        const [big, small] = box.querySelectorAll("b, dd > span");
        setText(big, text);
        setText(small, note);
        if (hint) big.title = hint;
      });
  }
}

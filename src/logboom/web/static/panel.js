// The width of the panel of an entry: dragged, or set with arrow keys, and kept.

import { keep, kept } from "/static/kept.js";

const LEAST_PX = 280;
const MOST_SHARE = 0.75; // of the window: the list stays visible
const STEP_PX = 40;
const panel = document.getElementById("entry");
const grip = document.getElementById("grip");

const most = () => Math.max(LEAST_PX, Math.round(innerWidth * MOST_SHARE));

function setWidth(width) {
  const fitting = Math.min(most(), Math.max(LEAST_PX, Math.round(width)));
  document.documentElement.style.setProperty("--entry", `${fitting}px`);
  showWidth(fitting);
  keep("panel", fitting);
}

function showWidth(width) {
  grip.setAttribute("aria-valuemin", LEAST_PX);
  grip.setAttribute("aria-valuemax", most());
  grip.setAttribute("aria-valuenow", Math.round(width));
}

grip.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  grip.setPointerCapture(event.pointerId);
  const move = (moved) => setWidth(document.documentElement.clientWidth - moved.clientX);
  grip.addEventListener("pointermove", move);
  grip.addEventListener("lostpointercapture", () => grip.removeEventListener("pointermove", move), { once: true });
});
grip.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: STEP_PX, ArrowRight: -STEP_PX }[event.key];
  if (!step) return;
  event.preventDefault();
  setWidth(panel.offsetWidth + step);
});
new MutationObserver(() => {
  grip.hidden = panel.hidden;
  if (!panel.hidden) showWidth(panel.offsetWidth);
}).observe(panel, { attributeFilter: ["hidden"] });

if (Number.isFinite(kept("panel", null))) setWidth(kept("panel", null));

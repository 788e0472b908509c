// uPlot, loaded for the first chart, and the colours of the theme for canvases.

import { command, el } from "/static/dom.js";
import { dayStart, dayText, minutes, seconds } from "/static/zone.js";

let loading = null;

/** The uPlot class. Rejects if it is not installed. */
export function loadPlot() {
  loading ??= Promise.all([import("/static/vendor/uPlot.esm.js"), loadStyle()]).then(([module]) => module.default);
  return loading;
}

function loadStyle() {
  return new Promise((resolve, reject) => {
    const sheet = el("link", { rel: "stylesheet", href: "/static/vendor/uPlot.min.css", on: { load: resolve, error: reject } });
    document.head.append(sheet);
  });
}

/** The text in place of a chart if uPlot is missing. */
export function missingNote() {
  return el(
    "p",
    { class: "note missing", role: "note" },
    "Charts need uPlot, and this server does not have it. Where Node.js is installed, ",
    command("make run"),
    " fetches it; everything else works without.",
  );
}

const probes = new Map();

/** A colour of the theme for a canvas, by its name in the style sheet. */
export function colour(name) {
  let probe = probes.get(name);
  if (!probe) {
    probe = el("span", { hidden: true });
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    probes.set(name, probe);
  }
  return getComputedStyle(probe).color;
}

/** Labels of a time axis: the time of day, with the date at the start of a day. */
function timeMarks(_plot, splits, _axis, _space, step_s) {
  return splits.map((split) => {
    const at = new Date(split * 1000);
    if (step_s >= 86_400 || (dayStart(at.getTime()) === at.getTime() && step_s >= 3600)) return dayText(at);
    return step_s < 60 ? seconds(at) : minutes(at);
  });
}

/** The axes of all charts. `show` formats a value of the y axis. */
export function axes(show, { width = 56 } = {}) {
  const common = {
    stroke: () => colour("soft"),
    font: "11px system-ui, sans-serif",
    ticks: { show: false },
  };
  return [
    { ...common, grid: { show: false }, size: 30, gap: 8, space: 70, values: timeMarks },
    {
      ...common,
      grid: { stroke: () => colour("grid"), width: 1 },
      size: width,
      gap: 6,
      space: (_plot, _axis, _min, _max, size) => Math.max(18, Math.min(32, size / 4)), // short charts have some marks, too
      values: (_plot, splits) => splits.map(show),
    },
  ];
}

/** Keep a plot as wide as its box, and in the theme's colours; returns a function that ends this. */
export function fit(plot, box, height) {
  const observer = new ResizeObserver(() => {
    const width = Math.floor(box.clientWidth);
    if (width && width !== plot.width) plot.setSize({ width, height });
  });
  observer.observe(box);
  const repaint = () => plot.redraw(true, true);
  addEventListener("repaint", repaint);
  return () => {
    observer.disconnect();
    removeEventListener("repaint", repaint);
    plot.destroy();
  };
}

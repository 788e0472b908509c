// Entries over time, stacked by level: the overview's chart and the search's histogram.

import { serverNow } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { CLASSES, compact, count, instant, levelClass, percent, period } from "/static/format.js";
import { axes, colour, fit, loadPlot, missingNote } from "/static/plot.js";

const HEIGHT_PX = 150;
const TITLES = {
  none: "no level", debug: "debug", info: "info", warning: "warning", error: "error", critical: "critical",
};

/** The counts per class of level, summed from `/api/volume`. */
function byClass(volume) {
  const sums = Object.fromEntries(CLASSES.map((name) => [name, new Array(volume.times.length).fill(0)]));
  for (const [level, numbers] of Object.entries(volume.levels)) {
    const sum = sums[levelClass(level)];
    numbers.forEach((number, index) => (sum[index] += number));
  }
  return sums;
}

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/**
 * A chart of volume.
 * @param {(range: {from: number, to: number}) => void} [choose] is called with the selected range, epoch s.
 * @param {number} [height] px.
 */
export class VolumeChart {
  constructor(choose = null, height = HEIGHT_PX) {
    this.height = height;
    this.box = el("div", { class: "plot-box" });
    this.legend = el("p", { class: "legend" });
    this.element = el("figure", { class: "volume" }, this.box, this.legend);
    this.choose = choose;
    this.volume = null;
    this.end = null;
    this.closed = false;
    loadPlot().then(
      (uPlot) => this.closed || this.#make(uPlot),
      () => this.box.replaceChildren(missingNote()),
    );
  }

  /** Show an answer of `/api/volume`. */
  set(volume) {
    this.volume = volume;
    this.sums = byClass(volume);
    this.#draw();
    this.#legend(null);
  }

  close() {
    this.closed = true;
    this.end?.();
  }

  #make(uPlot) {
    // The series is the sum of all levels, for the scale; the bars are drawn by `#bars`.
    const sums = { paths: () => null, points: { show: false } };
    const options = {
      width: Math.max(200, this.box.clientWidth),
      height: this.height,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      scales: {
        x: { range: () => [this.volume?.since ?? serverNow() / 1000 - 3600, this.volume?.until ?? serverNow() / 1000] },
        y: { range: (_plot, _low, high) => [0, Math.max(4, (high ?? 0) * 1.05)] },
      },
      axes: axes((mark) => (mark % 1 ? "" : compact(mark)), { width: 46 }),
      cursor: {
        points: { show: false },
        y: false,
        drag: { x: Boolean(this.choose), y: false, setScale: false },
      },
      hooks: {
        draw: [(plot) => this.#bars(plot)],
        setCursor: [(plot) => this.#legend(plot.cursor.left >= 0 ? this.#bucketAt(plot, plot.cursor.left) : null)],
        setSelect: [(plot) => this.#select(plot)],
      },
      series: [{}, sums],
    };
    this.plot = new uPlot(options, [[0], [0]], this.box);
    this.end = fit(this.plot, this.box, this.height);
    if (this.choose) {
      this.box.classList.add("selectable");
      this.plot.over.addEventListener("click", (event) => this.#click(event));
    }
    this.#draw();
  }

  #draw() {
    if (!this.plot || !this.volume) return;
    const whole = this.volume.times.map((_, index) => total(CLASSES.map((name) => this.sums[name][index])));
    this.plot.setData([this.volume.times, whole]);
  }

  /** Draw stacked bars on whole pixels: blurred edges would show the colour below. */
  #bars(plot) {
    if (!this.volume) return;
    const { ctx, bbox } = plot;
    const { times, bucket_s } = this.volume;
    const at = (value, scale) => Math.round(plot.valToPos(value, scale, true));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const edges = times.map((time) => [at(time, "x"), at(time + bucket_s, "x")]);
    const heights = new Array(times.length).fill(0);
    for (const name of CLASSES) {
      ctx.fillStyle = colour(`bar-${name}`);
      this.sums[name].forEach((number, index) => {
        if (!number) return;
        const [left, right] = edges[index];
        const bottom = at(heights[index], "y");
        heights[index] += number;
        const top = Math.min(at(heights[index], "y"), bottom - 1); // one error among thousands is seen
        ctx.fillRect(left, top, Math.max(1, right - left - Math.ceil(devicePixelRatio)), bottom - top);
      });
    }
    ctx.restore();
  }

  #bucketAt(plot, left) {
    const index = Math.floor((plot.posToVal(left, "x") - this.volume.times[0]) / this.volume.bucket_s);
    return index >= 0 && index < this.volume.times.length ? index : null;
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width < 4 || !this.choose || !this.volume) return;
    const range = { from: plot.posToVal(left, "x"), to: plot.posToVal(left + width, "x") };
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.choose(range);
  }

  #click(event) {
    if (!this.volume) return;
    const index = this.#bucketAt(this.plot, event.offsetX);
    if (index === null) return;
    const from = this.volume.times[index];
    this.choose({ from, to: from + this.volume.bucket_s });
  }

  /** Update the legend, for one bucket or for all. */
  #legend(index) {
    if (!this.volume) return;
    const pick = (numbers) => (index === null ? total(numbers) : numbers[index]);
    const shown = CLASSES.filter((name) => total(this.sums[name]) > 0).reverse();
    if (this.legend.childElementCount !== shown.length + 1 || this.legend.dataset.shown !== shown.join()) {
      this.legend.dataset.shown = shown.join();
      this.legend.replaceChildren(
        el("span", { class: "when" }),
        ...shown.map((name) => el("span", {}, el("i", { class: `swatch bar-${name}` }), `${TITLES[name]} `, el("b"))),
      );
    }
    const [when, ...chips] = this.legend.children;
    const at = index === null ? null : this.volume.times[index];
    const partly = this.volume.complete ? "" : ` (not all counted yet: ${percent(this.volume.progress)})`;
    const span = period(this.volume.since, this.volume.until);
    setText(when, at === null ? `${span}${partly}` : `from ${instant(at)}`);
    chips.forEach((chip, place) => setText(chip.querySelector("b"), count(pick(this.sums[shown[place]]))));
  }
}

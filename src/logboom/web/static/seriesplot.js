// One field over time: the mean as a line, smallest to largest as a band, boots as marks, silences shaded.

import { serverNow } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { compact, exact, instant, value } from "/static/format.js";
import { axes, colour, fit } from "/static/plot.js";
import { writersOf } from "/static/units.js";

export const HEIGHT_PX = 150;
const LARGE = 1e5;
const BOOT_MARK_PX = 8; // between two marks: more would be a wall, and hide the line
const NEAR_POINTS = 8; // how far from the cursor a value is looked for: readings are rarer than points
export const SYNC_KEY = "charts";

/** The last of some numbers that is not null, or null. */
export const lastOf = (numbers) => numbers.findLast((number) => number !== null) ?? null;
const plotted = (numbers) => numbers.map((number) => (number === null ? null : Number(number)));

/** A chart of one field. `choose` is called with the range that the user selects, epoch s. */
export class SeriesChart {
  constructor(uPlot, name, choose) {
    this.uPlot = uPlot;
    this.write = writersOf(name);
    this.choose = choose;
    this.series = null;
    this.now = el("b");
    this.about = el("span", { class: "soft" });
    this.box = el("div", { class: "plot-box selectable" });
    this.element = el("figure", { class: "series", "aria-label": name },
      el("figcaption", {}, el("span", { class: "name" }, name), this.now, this.about), this.box);
  }

  /** Make the plot, once the element is in the page and has a width. */
  start() {
    const line = { width: 1.6, stroke: () => this.#tint(), gaps: (plot, ...rest) => this.#gaps(plot, ...rest) };
    const edge = { ...line, width: 0, stroke: null, points: { show: false } };
    const options = {
      width: Math.max(200, this.box.clientWidth),
      height: HEIGHT_PX,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      scales: { x: { range: () => [this.series?.since ?? serverNow() / 1000 - 900, this.series?.until ?? serverNow() / 1000] } },
      axes: axes(markOf(this.write), { width: 62 }),
      cursor: {
        sync: { key: SYNC_KEY, setSeries: false },
        drag: { x: true, y: false, setScale: false },
        y: false,
        points: { size: 6, fill: () => this.#tint() },
      },
      bands: [{ series: [3, 2], fill: () => this.#tint("band") }],
      hooks: {
        drawClear: [(plot) => this.#shade(plot)],
        draw: [(plot) => this.#boots(plot)],
        setCursor: [(plot) => this.#legend(plot.cursor.left >= 0 ? plot.cursor.idx : null)],
        setSelect: [(plot) => selected(plot, this.choose)],
      },
      series: [{}, { ...line, points: { size: 4, fill: () => this.#tint() } }, edge, edge],
    };
    this.plot = new this.uPlot(options, [[0], [null], [null], [null]], this.box);
    this.end = fit(this.plot, this.box, HEIGHT_PX);
  }

  /** Show an answer of `/api/series`. */
  set(series, name) {
    this.series = series;
    this.values = series.values[name];
    const { mean, min, max } = this.values;
    this.plot.setData([series.times, mean, min, max].map(plotted));
    this.#legend(this.plot.cursor.left >= 0 ? this.plot.cursor.idx : null);
  }

  close() {
    this.end?.();
  }

  #tint(kind = "line") {
    return colour(`${kind}-${this.element.dataset.tint ?? 1}`);
  }

  /** The gaps of the line: only real silences, not intervals longer than a point of the chart. */
  #gaps(plot) {
    return (this.series?.gaps ?? []).map(({ from, to }) => [plot.valToPos(from, "x", true), plot.valToPos(to, "x", true)]);
  }

  #shade(plot) {
    if (!this.series) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = colour("gap");
    for (const [from, to] of this.#gaps(plot)) ctx.fillRect(from, bbox.top, to - from, bbox.height);
    ctx.restore();
  }

  #boots(plot) {
    if (!this.series?.boots.length) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("boot");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    let [marked_at, written_to] = [-Infinity, -1]; // of a device in a boot loop, not every boot has room
    for (const { time, boot_seq } of this.series.boots) {
      const x = plot.valToPos(time, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width || x - marked_at < BOOT_MARK_PX * devicePixelRatio) continue;
      marked_at = x;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const text = `boot ${boot_seq}`;
      const width = ctx.measureText(text).width + 8 * devicePixelRatio;
      if (x <= written_to || x + width > bbox.left + bbox.width) continue;
      ctx.fillText(text, x + 4 * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
      written_to = x + width;
    }
    ctx.restore();
  }

  /** Update the head: the last value, or the one at the cursor. */
  #legend(index) {
    if (!this.series) return;
    const { mean, min, max, last } = this.values;
    const at = index === null || index === undefined ? null : nearest(mean, index);
    if (at === null) {
      const known = (numbers) => numbers.filter((number) => number !== null);
      const [low, high] = [known(min), known(max)];
      setText(this.now, this.write.sent(lastOf(last)));
      this.now.title = exact(lastOf(last));
      const range = low.length ? `${this.write.sent(least(low))} to ${this.write.sent(most(high))}` : "no values in this time range";
      setText(this.about, range);
      return;
    }
    const one = String(min[at]) === String(max[at]);
    setText(this.now, one ? this.write.sent(min[at]) : this.write.calculated(mean[at]));
    this.now.title = exact(one ? min[at] : mean[at]);
    const spread = one ? "" : `${this.write.sent(min[at])} to ${this.write.sent(max[at])} · `;
    setText(this.about, `${spread}${instant(this.series.times[at])}`);
  }
}

/** Formatting of an axis. */
export const markOf = (write) => (number) => (write.mark ? write.mark(number) : Math.abs(number) >= LARGE ? compact(number) : value(number));

/** Call `choose` with the range that was selected in a plot, epoch s. */
export function selected(plot, choose) {
  const { left, width } = plot.select;
  if (width < 4) return;
  const range = { from: plot.posToVal(left, "x"), to: plot.posToVal(left + width, "x") };
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  choose(range);
}

/** The index of the value that is nearest to a position, or null without one nearby. */
export function nearest(values, index) {
  for (let distance = 0; distance <= NEAR_POINTS; distance += 1) {
    for (const place of [index - distance, index + distance]) if (values[place] !== null && Number.isFinite(Number(values[place]))) return place;
  }
  return null;
}

const least = (numbers) => numbers.reduce((a, b) => (b < a ? b : a));
const most = (numbers) => numbers.reduce((a, b) => (b > a ? b : a));

// One field of several sources over time: a line of means per source.

import { serverNow } from "/static/api.js";
import { el, setText } from "/static/dom.js";
import { instant } from "/static/format.js";
import { axes, colour, fit } from "/static/plot.js";
import { HEIGHT_PX, lastOf, markOf, nearest, selected, SYNC_KEY } from "/static/seriesplot.js";
import { writersOf } from "/static/units.js";

/** A chart of one field of several sources. `choose` is called with the range that the user selects, epoch s. */
export class CompareChart {
  constructor(uPlot, name, choose, labels) {
    this.uPlot = uPlot;
    this.write = writersOf(name);
    this.choose = choose;
    this.labels = labels;
    this.found = [];
    this.when = el("span", { class: "soft" });
    this.now = labels.map((label, place) => el("span", { class: "compared", data: { tint: String(place + 1) } }, el("i", { class: "swatch" }), `${label} `, el("b")));
    this.box = el("div", { class: "plot-box selectable" });
    this.element = el("figure", { class: "series", "aria-label": name },
      el("figcaption", {}, el("span", { class: "name" }, name), this.now, this.when), this.box);
  }

  /** Make the plot, once the element is in the page and has a width. */
  start() {
    const tint = (place) => () => colour(`line-${place + 1}`);
    const lines = this.labels.map((_, place) => ({ width: 1.6, stroke: tint(place), points: { size: 4, fill: tint(place) }, gaps: (plot) => this.#gaps(plot, place) }));
    const x = () => [this.found[0]?.since ?? serverNow() / 1000 - 900, this.found[0]?.until ?? serverNow() / 1000];
    const options = {
      width: Math.max(200, this.box.clientWidth),
      height: HEIGHT_PX,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      scales: { x: { range: x } },
      axes: axes(markOf(this.write), { width: 62 }),
      cursor: { sync: { key: SYNC_KEY, setSeries: false }, drag: { x: true, y: false, setScale: false }, y: false, points: { size: 6 } },
      hooks: {
        setCursor: [(plot) => this.#legend(plot.cursor.left >= 0 ? plot.cursor.idx : null)],
        setSelect: [(plot) => selected(plot, this.choose)],
      },
      series: [{}, ...lines],
    };
    this.plot = new this.uPlot(options, [[0], ...lines.map(() => [null])], this.box);
    this.end = fit(this.plot, this.box, HEIGHT_PX);
  }

  /** Show answers of `/api/series`, one per source, all of the same time range. */
  set(found, name) {
    this.found = found;
    this.values = found.map((series) => series.values[name]);
    const plotted = this.values.map(({ mean }) => mean.map((number) => (number === null ? null : Number(number))));
    const length = Math.min(...found.map((series) => series.times.length));
    this.plot.setData([found[0].times.slice(0, length), ...plotted.map((line) => line.slice(0, length))]);
    this.#legend(this.plot.cursor.left >= 0 ? this.plot.cursor.idx : null);
  }

  close() {
    this.end?.();
  }

  /** The gaps of a line: only real silences. */
  #gaps(plot, place) {
    return (this.found[place]?.gaps ?? []).map(({ from, to }) => [plot.valToPos(from, "x", true), plot.valToPos(to, "x", true)]);
  }

  /** Update the head: the last values, or those at the cursor. */
  #legend(index) {
    if (!this.found.length) return;
    const chosen = index !== null && index !== undefined;
    this.values.forEach(({ mean, last }, place) => {
      const at = chosen ? nearest(mean, index) : null;
      const text = chosen ? this.write.calculated(at === null ? null : mean[at]) : this.write.sent(lastOf(last));
      setText(this.now[place].querySelector("b"), text);
    });
    setText(this.when, chosen ? instant(this.found[0].times[index]) : "");
  }
}

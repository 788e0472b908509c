// Positions of the rows of a long list, most of which have the same height.

/** Heights by index: a common one, and the additional height of rows that are taller. */
export class Offsets {
  constructor() {
    this.base = 24;
    this.extras = new Map(); // index: px above the common height
    this.keys = null; // sorted indexes of `extras`, and the sum up to each; null: to be made
    this.sums = null;
  }

  clear() {
    this.extras.clear();
    this.keys = null;
  }

  /** Set the height of a row, px; returns whether it changed. */
  set(index, height) {
    const extra = height - this.base;
    if ((this.extras.get(index) ?? 0) === extra) return false;
    if (extra) this.extras.set(index, extra);
    else this.extras.delete(index);
    this.keys = null;
    return true;
  }

  /** Forget the rows before an index. */
  prune(first) {
    for (const index of this.extras.keys()) if (index < first && this.extras.delete(index)) this.keys = null;
  }

  /** The distance from the top of row `first` to the top of row `index`, px. */
  top(index, first) {
    return (index - first) * this.base + this.#extraBefore(index) - this.#extraBefore(first);
  }

  /** The row at a distance from the top of row `first`, within `first` and `end`. */
  at(y, first, end) {
    let [low, high] = [first, Math.max(first, end - 1)];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.top(middle, first) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #extraBefore(index) {
    if (!this.extras.size) return 0;
    if (!this.keys) this.#sort();
    let [low, high] = [0, this.keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.keys[middle] < index) low = middle + 1;
      else high = middle;
    }
    return low ? this.sums[low - 1] : 0;
  }

  #sort() {
    let sum = 0;
    this.keys = [...this.extras.keys()].sort((one, other) => one - other);
    this.sums = this.keys.map((key) => (sum += this.extras.get(key)));
  }
}

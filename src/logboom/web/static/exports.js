// Downloads of a search: CSV or JSON lines, all fields or some, compressed or not.

import { address } from "/static/api.js";
import { el } from "/static/dom.js";
import { setOptions } from "/static/filters.js";

const PACKING = [["", "not compressed"], ["gzip", "gzip"], ["zstd", "zstd"]];

export class ExportMenu {
  constructor() {
    this.query = {};
    this.csv = el("a", { class: "button", download: true }, "CSV");
    this.jsonl = el("a", { class: "button", download: true }, "JSONL");
    const changed = { on: { input: () => this.#link() } };
    this.fields = el("input", { type: "text", placeholder: "all", "aria-label": "Fields of the download", spellcheck: "false", ...changed });
    this.packing = el("select", { "aria-label": "Compression of the download", ...changed });
    setOptions(this.packing, PACKING, "");
    const options = el("details", { class: "export-options" }, el("summary", {}, "Options"), "Fields ", this.fields, " ", this.packing);
    this.element = el("span", { class: "exports" }, "Download ", this.csv, this.jsonl, options);
  }

  /** Download what matches these filters. */
  set(query) {
    this.query = query;
    this.#link();
  }

  #link() {
    const fields = this.fields.value.split(",").map((name) => name.trim()).filter(Boolean).join(",");
    const chosen = { ...this.query, fields, compress: this.packing.value };
    this.csv.href = address("/api/export.csv", chosen);
    this.jsonl.href = address("/api/export.jsonl", chosen);
  }
}

// Servers of the cluster that replicates entries: who leads, who is behind, and the copy of this server.

import { el, setText } from "/static/dom.js";
import { counted } from "/static/format.js";
import { Table } from "/static/tables.js";

const roleOf = (one) => one.trouble || (one.leader ? "leader" : "up");

/** A part of the overview; hidden without a cluster. */
export class ClusterPart {
  constructor() {
    this.table = new Table("Servers of the cluster", [
      { head: "Server", text: (one) => one.name, hint: (one) => one.url },
      {
        head: "State",
        text: (one) => (one.stale ? `was ${roleOf(one)}` : roleOf(one)),
        state: (one) => (one.stale ? "unknown" : one.trouble ? "error" : "ok"),
      },
      { head: "Behind", text: (one) => (one.lag === null ? "–" : counted(one.lag, "operation")), number: true },
    ], (one) => one.url);
    this.about = el("p", { class: "soft" });
    this.element = el("section", { "aria-label": "Cluster" }, el("h2", {}, "Cluster"), this.about, this.table.element);
    this.element.hidden = true;
  }

  /** Show a state, or the last known one. */
  set(cluster, stale) {
    this.element.hidden = !cluster;
    if (!cluster) return;
    const copy = cluster.copy_lag === null ? "" : `; the copy here is ${counted(cluster.copy_lag, "message")} behind`;
    const storing = cluster.storing ? "A majority stores entries" : "No majority stores entries";
    setText(this.about, `Stream ${cluster.stream}. ${storing}${copy}.`);
    this.table.set(cluster.servers.map((one) => ({ ...one, stale })));
  }
}

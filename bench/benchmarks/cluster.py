"""Replicated answers beside synced ones: bulk, and slow senders; three NATS servers on the same machine."""

from functools import partial
from pathlib import Path
from typing import Final

from bench import procfs
from bench.benchmarks.protocols import figures
from bench.generator import Generator
from bench.plan import Plan
from bench.subjects.base import HOST, Launch, Server, Subject
from bench.subjects.logboom import Logboom, data_directory
from bench.trial import Trial, run_trial, trial_directory
from logboom.extras import is_missing
from logboom.testing.nats_cluster import DemoCluster, DemoError
from tests.kit.cluster_kit import make_stream

NAME: Final = "cluster"
SLOW: Final = 256
BULK: Final = 4

SYNCED: Final = "synced"
REPLICATED: Final = "replicated"


class LogboomInCluster(Logboom):
    """The server in front of a cluster, with one ack level."""

    def __init__(self, cluster: DemoCluster, ack: str, program: Path | None) -> None:
        super().__init__(program)
        self._cluster, self._ack = cluster, ack

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        config = directory / "logboom.toml"
        config.write_text(
            f"[cluster]\nurls = {self._cluster.urls}\nmonitor_urls = {self._cluster.monitor_urls}\n"
            f"[listeners.device]\nack = '{self._ack}'\n"
        )
        where = ["--config", str(config), "--data-dir", str(data_directory(directory))]
        return Launch(
            [str(self._program), "serve", *where, "--only=device", f"--listen=device={HOST}:{port}"]
        )


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials; none where the extra is missing."""
    if is_missing("cluster") or not any(subject.name == "logboom" for subject in subjects):
        return []
    trials = []
    for number in range(plan.trials):
        for senders, ack in ((BULK, SYNCED), (BULK, REPLICATED), (SLOW, SYNCED), (SLOW, REPLICATED)):
            what = f"{ack}, {senders} senders, {'bulk' if senders == BULK else 'one line at a time'}"
            measure = partial(_measure, plan, ack, senders)
            trials.append(run_trial(Logboom(plan.logboom), measure, what=what, round=number))
    return trials


def _measure(plan: Plan, ack: str, senders: int) -> Trial:
    with trial_directory(plan.directory) as directory:
        try:
            with DemoCluster(directory / "nodes") as cluster:
                cluster.wait_until_reachable()
                make_stream(cluster)
                with Server(LogboomInCluster(cluster, ack, plan.logboom), directory) as server:
                    return _load(plan, server, senders)
        except DemoError as error:
            return {"error": str(error)}


def _load(plan: Plan, server: Server, senders: int) -> Trial:
    arguments = {"lines": plan.lines // 2, "acks": True} if senders == BULK else {"duration_s": plan.wait_s}
    kind = "stream" if senders == BULK else "stop-and-wait"
    with Generator(kind, port=server.port, connections=senders, **arguments) as generator:
        before, busy = server.cpu_s(), procfs.busy_s()
        generator.go()
        done = generator.expect("done")
        cpu_s = server.cpu_s() - before
    seconds = done["finished"] - done["started"]
    record = figures(done["acks"], seconds, cpu_s, server.peak_rss_mib())
    record["others_cpu_share"] = max(0.0, procfs.busy_s() - busy - cpu_s - done["cpu_s"]) / seconds
    return record | {key: done[key] for key in done if key.endswith("_ms")}

"""Runners of the outputs, with their leases and positions where the server has a copy of a cluster's entries."""

from pathlib import Path

from logboom.cluster.membership import COPY_FOLDER, Cluster
from logboom.journal.log import Log
from logboom.model import Report
from logboom.outputs.permit import ALWAYS
from logboom.outputs.registry import make_outputs
from logboom.outputs.runner import OutputRunner
from logboom.settings import Settings


def output_runners(
    settings: Settings, cluster: Cluster | None, log: Log, report: Report
) -> list[OutputRunner]:
    """Return the runners of all outputs, not started yet; that of the forwarder is the last one.

    Args:
        settings: settings of the server.
        cluster: its cluster, with the leases.
        log: the log that outputs read.
        report: the operational log.

    Raises:
        ConfigError: an output is not valid.
    """
    data_dir = Path(settings.data_dir)
    leases = {} if cluster is None or cluster.leases is None else cluster.leases.of
    outputs = make_outputs(settings.outputs, data_dir, dict.fromkeys(leases, data_dir / COPY_FOLDER))
    runners = [
        OutputRunner(name, output, log, report, permit=leases.get(name, ALWAYS))
        for name, output in outputs.items()
    ]
    return runners if cluster is None else [*runners, cluster.runner]

"""The spool of `logboom run`: what one run could not deliver, the next one or `logboom send` to the server does."""

import hashlib
from pathlib import Path
from typing import Final

from logboom.clients.delivery.delivery import Delivery, Policy
from logboom.clients.delivery.outgoing import Outgoing
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.spool import MEMORY_BYTES_MAX, Spool, state_folder
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.target import Target

COMMANDS: Final = 4
"""Commands whose output may fill the disk at the same time, each as far as its room allows."""


def run_spool(
    dialect: Dialect, target: Target, bytes_max: int, *, folder: str | None = None, source: str = ""
) -> Spool:
    """The spool for one server.

    Args:
        dialect: the protocol.
        target: the server.
        bytes_max: room for this run; 0: no files, but memory.
        folder: where the files are; None: the user's folder for state.
        source: the sender's name.
    """
    key = hashlib.sha256(f"{dialect.name} {target}".encode()).hexdigest()[:16]
    try:
        place = Path(folder) if folder else state_folder()
    except RuntimeError:  # no home
        place = None
    return Spool(
        place if bytes_max else None,
        f"run-{key}",
        bytes_max or MEMORY_BYTES_MAX,
        source=source,
        siblings=COMMANDS,
    )


async def deliver_left(dialect: Dialect, target: Target, policy: Policy, report: Report) -> int:
    """Deliver what earlier runs of commands could not; returns the number of lines.

    Args:
        dialect: the protocol.
        target: the server.
        policy: timeouts and tries.
        report: is kept up to date.

    Raises:
        ConnectFailedError: the server can't be reached; the lines stay.
        OSError: the spool can't be read.
    """
    spool = run_spool(dialect, target, 1)
    delivery = Delivery(dialect, target, policy, report)
    outgoing = Outgoing(spool, dialect, delivery, policy.window)
    count = 0
    try:
        while spool.adopt() or spool.count:
            count += await outgoing.deliver_some()
    finally:
        await delivery.close()
        spool.close()
    return count

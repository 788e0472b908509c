"""`logboom verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from logboom.journal.lock import DataDirLock
    from logboom.journal.verify import Finding

DataDir = Annotated[str, typer.Option(metavar="DIR", help="The data directory.")]


def verify(
    data_dir: DataDir = "logboom-data",
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set aside what is broken; the good lines keep their sequences.")
    ] = False,
) -> None:
    """Read every segment of the journal, and say what was found.

    Reading is safe while the server runs; --repair needs it stopped.

    Examples:
      logboom verify --data-dir /var/lib/logboom

      logboom verify --repair

    Exit codes: 0 all lines are good or were repaired, 1 damage was found or there is no journal,
    2 wrong command line.
    """
    from rich.console import Console
    from rich.progress import Progress

    from logboom.errors import StorageError
    from logboom.journal import verify as journal
    from logboom.journal.lock import DataDirLock
    from logboom.journal.segments import list_segments

    root = Path(data_dir)
    folder = root / "journal"
    if not folder.is_dir():
        raise StorageError(f"there is no journal in {root}: name the data directory with --data-dir")
    lock = _try_lock(root)
    if repair and lock is None:
        DataDirLock(root)  # says who holds it
    total = sum(segment.path.stat().st_size for segment in list_segments(folder))
    findings = []
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("verifying", total=total)
        for finding in journal.verify(folder, lambda size: bar.advance(task, size), growing=lock is None):
            findings.append(finding)
            _print(finding)
            if repair and (finding.damage or finding.notes):
                for path in journal.repair(finding, root / "set-aside"):
                    typer.echo(f"    set aside in {path}")
    damaged = sum(not finding.good for finding in findings)
    lines = sum(finding.lines for finding in findings)
    state = f"{damaged} of them damaged{', repaired' if repair else ''}" if damaged else "all good"
    typer.echo(f"{len(findings)} segments, {lines} entries, {total} bytes: {state}")
    if lock is not None:
        lock.close()
    if damaged and not repair:
        raise typer.Exit(1)


def _try_lock(root: Path) -> "DataDirLock | None":
    """The data directory's lock; None while a server is writing there."""
    from logboom.errors import DataDirLockedError
    from logboom.journal.lock import DataDirLock

    try:
        return DataDirLock(root)
    except DataDirLockedError:
        return None


def _print(finding: "Finding") -> None:
    mark = "✅" if finding.good else "❌"
    typer.echo(f"{mark} {finding.segment.path.name}  {finding.lines} entries  {finding.size} bytes")
    for damage in finding.damage:
        what = "torn end" if damage.torn else f"{damage.lines} damaged lines"
        typer.echo(f"    {what} at byte {damage.offset}, {damage.size} bytes, sequence {damage.sequence}")
    for note in finding.notes:
        typer.echo(f"    {note}")

"""`logboom verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from logboom.journal.audit import Audit
    from logboom.journal.lock import DataDirLock
    from logboom.journal.verify import Finding

DataDir = Annotated[str, typer.Option(metavar="DIR", help="The data directory.")]


def verify(
    data_dir: DataDir = "logboom-data",
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set aside what is broken; the good lines keep their sequences.")
    ] = False,
    head: Annotated[
        str,
        typer.Option(metavar="HEX", help="A manifest head noted earlier: is everything up to it unchanged?"),
    ] = "",
) -> None:
    """Read every segment of the journal, hold it against its checksums and the manifest, and say what was found.

    Reading is safe while the server runs; --repair needs it stopped. A repair changes no line of the manifest:
    it adds lines that say what it found.

    Who can write to the data directory can make segments, checksums and manifest anew, all of them. That shows
    only against a head that was noted somewhere else: note the one that is printed, and give it to --head.

    Examples:
      logboom verify --data-dir /var/lib/logboom

      logboom verify --repair

      logboom verify --head 6a1f0c…

    Exit codes: 0 everything is as it was written, or was repaired, 1 damage was found, something is missing,
    the head is not in the manifest, or there is no journal, 2 wrong command line.
    """
    from logboom.errors import StorageError
    from logboom.journal.audit import accept, audit
    from logboom.journal.lock import DataDirLock

    root = Path(data_dir)
    folder = root / "journal"
    if not folder.is_dir():
        raise StorageError(f"there is no journal in {root}: name the data directory with --data-dir")
    lock = _try_lock(root)
    if repair and lock is None:
        DataDirLock(root)  # says who holds it
    try:
        findings = _look(root, repair=repair, growing=lock is None)
        found = audit(folder, growing=lock is None)
        _print_audit(found)
        _print_first(findings, found)
        if repair and not found.good:
            for text in accept(folder, found, root / "set-aside"):
                typer.echo(f"    {text}")
            found = audit(folder)
    finally:
        if lock is not None:
            lock.close()
    _print_total(findings, found, repaired=repair)
    known = not head or _print_head(found, head)
    if not known or not (repair or (found.good and all(finding.good for finding in findings))):
        raise typer.Exit(1)


def _look(root: Path, *, repair: bool, growing: bool) -> list["Finding"]:
    """Read all segments, with a bar on a terminal; repair them one by one."""
    from rich.console import Console
    from rich.progress import Progress

    from logboom.journal.repair import repair as mend
    from logboom.journal.segments import list_segments
    from logboom.journal.verify import verify as look

    folder = root / "journal"
    total = sum(segment.path.stat().st_size for segment in list_segments(folder))
    findings = []
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("verifying", total=total)
        for finding in look(folder, lambda size: bar.advance(task, size), growing=growing):
            findings.append(finding)
            _print(finding)
            if repair:
                for path in mend(finding, root / "set-aside"):
                    typer.echo(f"    set aside in {path}")
    return findings


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
    typer.echo(f"{mark} {finding.segment.name}  {finding.lines} entries  {finding.size} bytes")
    for damage in finding.damage:
        what = "torn end" if damage.torn else f"{damage.lines} damaged lines"
        typer.echo(f"    {what} at byte {damage.offset}, {damage.size} bytes, sequence {damage.sequence}")
    for text in finding.problems + finding.notes:
        typer.echo(f"    {text}")


def _print_audit(found: "Audit") -> None:
    from logboom.journal.audit import missing_text

    if found.missing:
        typer.echo(f"❌ {missing_text(found.missing)}")
    for line in found.broken[:10]:  # the first ones; the number follows in the last
        what = "its chain does not fit" if line.event else "can't be read"
        typer.echo(f"❌ manifest line {line.number}: {what}")
    if len(found.broken) > 10:
        typer.echo(f"❌ manifest: {len(found.broken)} damaged lines in all")
    if found.manifest.torn:
        typer.echo("❌ manifest: the last line is torn; the next start of the server sets it aside")


def _print_first(findings: list["Finding"], found: "Audit") -> None:
    """Name the oldest segment that is not what it was."""
    wrong = [finding.segment.name for finding in findings if not finding.good]
    wrong += [event.segment for event in found.missing]
    if wrong:
        typer.echo(f"first segment that does not match: {min(wrong)}")


def _print_total(findings: list["Finding"], found: "Audit", *, repaired: bool) -> None:
    size = sum(finding.size for finding in findings)
    damaged = sum(not finding.good for finding in findings)
    lines = sum(finding.lines for finding in findings)
    covered = sum(finding.covered for finding in findings)
    afterwards = sum(finding.afterwards for finding in findings)
    state = f"{damaged} of them damaged{', repaired' if repaired else ''}" if damaged else "all good"
    late = f", for {afterwards} of them taken afterwards from the file" if afterwards else ""
    typer.echo(f"checksums fit {covered} of {size} bytes{late}")
    if found.manifest.lines:
        typer.echo(
            f"manifest: {sum(finding.sealed for finding in findings)} segments as they were sealed, "
            f"{found.waiting} sealed and not hashed yet, {found.expired} deleted by retention"
        )
        typer.echo(f"manifest head: {found.manifest.head}")
    typer.echo(f"{len(findings)} segments, {lines} entries, {size} bytes: {state}")


def _print_head(found: "Audit", head: str) -> bool:
    """Say whether a head noted earlier is in the chain."""
    line = found.place_of(head)
    if line is None:
        typer.echo(
            f"❌ no whole chain leads to the head {head}: the manifest was changed, or cut, or is another one"
        )
        return False
    typer.echo(f"✅ the head {head} is line {line.number} of {len(found.manifest.lines)} of the manifest")
    return True

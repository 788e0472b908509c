"""`logboom verify`."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logboom.cli.options import ConfigFile, ReadDataDir, data_dir_of
from logboom.cli.speaking import answer
from logboom.durable import keep_private

if TYPE_CHECKING:
    from logboom.journal.audit import Audit
    from logboom.journal.lock import DataDirLock
    from logboom.journal.verify import Finding


def verify(
    data_dir: ReadDataDir = None,
    *,
    config: ConfigFile = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set aside what is broken; the good lines keep their sequences.")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="A manifest head noted earlier: is everything up to it unchanged?"),
    ] = None,
) -> None:
    """Read every segment of the journal, hold it against its checksums and the manifest, and say what was found.

    Reading is safe while the server runs; --repair needs it stopped. A repair changes no line of the manifest:
    it adds lines that say what it found.

    A user with write access to the data directory can replace segments, checksums and manifest, all of them. Only
    a head that was noted elsewhere reveals it: note the one that is printed, and give it to --head. Then everything
    sealed by that time must be there unchanged, whatever the manifest has since: repairs count as changes.
    Segments that are listed as past their retention are named: check whether they were due.

    Examples:
      logboom verify --data-dir /var/lib/logboom

      logboom verify --repair

      logboom verify --head 6a1f0c…

    Exit codes: 0 everything is as it was written, or was repaired, 1 damage was found, something is missing,
    was put in, or changed since the head, the head is not in the manifest, or there is no journal, 2 wrong
    command line.
    """
    from logboom.errors import StorageError
    from logboom.journal.audit import accept, audit
    from logboom.journal.lock import DataDirLock

    if head is not None and re.fullmatch("[0-9a-fA-F]{64}", head := head.strip()) is None:
        raise typer.BadParameter(f"{head!r} is no head: it has 64 hexadecimal digits", param_hint="--head")
    keep_private()
    root = data_dir_of(data_dir, config)
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
                answer(f"    {text}")
            found = audit(folder)
    except OSError as error:
        raise StorageError(f"can't read or repair all of {folder}: {error}") from error
    finally:
        if lock is not None:
            lock.close()
    _print_total(findings, found, repaired=repair)
    unchanged = head is None or _print_head([] if repair else findings, found, head)
    readable = not any(finding.unreadable for finding in findings)
    whole = found.good and all(finding.good for finding in findings)
    if not (unchanged and readable and (repair or whole)):
        raise typer.Exit(1)


def _look(root: Path, *, repair: bool, growing: bool) -> list["Finding"]:
    """Read all segments, with a bar on a terminal; repair them one by one."""
    from rich.console import Console
    from rich.progress import Progress

    from logboom.journal.repair import repair as mend
    from logboom.journal.segment_file import lines_size
    from logboom.journal.segments import list_segments
    from logboom.journal.verify import verify as look

    folder = root / "journal"
    total = 0
    for segment in list_segments(folder):
        with suppress(FileNotFoundError):  # past its retention meanwhile
            total += lines_size(segment)
    findings = []
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("verifying", total=total)
        for finding in look(folder, lambda size: bar.advance(task, size), growing=growing):
            findings.append(finding)
            _print(finding)
            if repair:
                for path in mend(finding, root / "set-aside"):
                    answer(f"    set aside in {path}")
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
    answer(f"{mark} {finding.segment.name}  {finding.lines:,} entries  {finding.size:,} bytes")
    for damage in finding.damage:
        what = "torn end" if damage.torn else f"{damage.lines:,} damaged lines"
        answer(f"    {what} at byte {damage.offset}, {damage.size:,} bytes, sequence {damage.sequence}")
    if finding.misled:
        answer("    its index leads readers to other lines than those they look for")
    for text in finding.problems + finding.notes:
        answer(f"    {text}")


def _print_audit(found: "Audit") -> None:
    from logboom.journal.audit import missing_text, names_text

    if found.missing:
        answer(f"❌ {missing_text(found.missing)}")
    if found.early:
        answer(
            f"❌ {names_text(found.early)}: gone and said to be past retention, though an older one is there: "
            "the server deletes the oldest first"
        )
    if found.cut:
        answer(f"❌ nothing is left of what came after {found.cut.segment}, from sequence {found.cut.end} on")
    for segment in found.unlisted:
        answer(
            f"❌ {segment.name} has no hash, though later ones have theirs: it was put there since, "
            "or its line in the manifest was damaged"
        )
    for line in found.broken[:10]:  # the first ones; the number follows in the last
        what = "can't be read"
        if line.event:
            what = "it contradicts an earlier one" if line.good else "its chain does not fit"
        answer(f"❌ manifest line {line.number}: {what}")
    if len(found.broken) > 10:
        answer(f"❌ manifest: {len(found.broken):,} damaged lines in all")
    if found.manifest.torn:
        answer("❌ manifest: the last line is torn; the next start of the server sets it aside")


def _print_first(findings: list["Finding"], found: "Audit") -> None:
    """Name the oldest segment that is not what it was."""
    wrong = [finding.segment.name for finding in findings if not finding.good]
    wrong += [event.segment for event in [*found.missing, *found.early]]
    wrong += [segment.name for segment in found.unlisted]
    if wrong:
        answer(f"first segment that does not match: {min(wrong)}")


def _print_total(findings: list["Finding"], found: "Audit", *, repaired: bool) -> None:
    size = sum(finding.size for finding in findings)
    damaged = sum(not finding.good for finding in findings)
    lines = sum(finding.lines for finding in findings)
    covered = sum(finding.covered for finding in findings)
    afterwards = sum(finding.afterwards for finding in findings)
    state = f"{damaged} of them damaged{', repaired' if repaired else ''}"
    if not damaged:
        state = "all good" if found.good else "whole, but not what the manifest says"
    late = f", for {afterwards} of them taken afterwards from the file" if afterwards else ""
    answer(f"checksums fit {covered:,} of {size:,} bytes{late}")
    if found.manifest.lines:
        known = f", {found.known} gone, as a repair says" if found.known else ""
        answer(
            f"manifest: {sum(finding.sealed for finding in findings)} segments as they were sealed, "
            f"{found.waiting} sealed and not hashed yet, {found.expired} deleted by retention{known}"
        )
        answer(f"manifest head: {found.manifest.head}")
    elif found.waiting:
        answer(f"no manifest: {found.waiting} sealed segments have no hash")
    answer(f"{len(findings):,} segments, {lines:,} entries, {size:,} bytes: {state}")


def _print_head(findings: list["Finding"], found: "Audit", head: str) -> bool:
    """Say what became of what a head noted earlier knew; whether it is all as it was, or past its retention."""
    from logboom.journal.audit import names_text

    line = found.place_of(head)
    if line is None:
        answer(
            f"❌ no whole chain leads to the head {head}: the manifest was changed, or cut, or is another one"
        )
        return False
    since = found.since(line)
    changes = [
        f"{finding.segment.name}: not as it was sealed"
        for finding in findings
        if finding.segment.first in since.known and not finding.good
    ]
    changes += since.changes
    answer(
        f"{'❌' if changes else '✅'} the head {head} is line {line.number} of {len(found.manifest.lines)} of the "
        f"manifest: {len(since.known)} segments, sequences before {since.end}"
    )
    for text in changes:
        answer(f"    since that head: {text}")
    if since.expired:
        answer(
            f"    deleted since that head, as past retention: {names_text(since.expired)}. "
            "Who deletes by hand can say the same: were they due?"
        )
    return not changes

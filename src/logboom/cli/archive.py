"""`logboom cat`, `pack`, `unpack` and `storage`: the journal's files, plain and packed."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from logboom.cli import options
from logboom.cli.speaking import answer, say
from logboom.errors import DataDirLockedError, StorageError


def cat(
    query: options.Query = None,
    *,
    first: Annotated[int, typer.Option("--from", min=0, help="The first sequence.")] = 0,
    end: Annotated[
        int | None, typer.Option("--to", min=0, help="The sequence after the last.", show_default="the end")
    ] = None,
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Write journal lines to the output, as they were stored: from plain and packed files alike.

    Reading is safe while the server runs.

    Examples:
      logboom cat | grep -c timeout

      logboom cat 'level:error source:10.0.0.7' --from 1000000 > errors.jsonl

    Exit codes: 0 written, 1 there is no journal, or the query can't be read, 2 wrong command line.
    """
    from logboom.cli.connecting import until_nobody_reads
    from logboom.journal.folder_log import FolderLog
    from logboom.journal.log import blocks
    from logboom.outputs.selection import Selection

    log = FolderLog(_journal(data_dir, config))
    selection = Selection(query=options.query_of(query, None) or "")
    with until_nobody_reads():
        for block in blocks(log, first, log.end if end is None else end):
            sys.stdout.buffer.write(selection.of(block, 0).data)
        sys.stdout.buffer.flush()


def pack(
    *,
    now: Annotated[bool, typer.Option("--now", help="All sealed files, whatever their age.")] = False,
    data_dir: options.ReadDataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Pack the journal's old files, as a running server does. With --now, a running server is asked to do it.

    Each packed file is unpacked and compared with the hash in the manifest before the plain one is deleted.

    Examples:
      logboom pack --data-dir /var/lib/logboom

      logboom pack --now

    Exit codes: 0 packed, or there was nothing to do, 1 packing failed, or the server is running and --now is not given.
    """
    from logboom.config import load
    from logboom.journal.lock import DataDirLock
    from logboom.journal.segment_packing import clean_up, delete_plain, packable, request
    from logboom.journal.segment_packing import pack as pack_segment
    from logboom.ops.pack_service import packs_columns
    from logboom.query.sql.column_writer import pack_columns

    settings = load(file=options.settings_file(config, options.warn)).archive
    if not now and not settings.pack_after_s:
        raise StorageError("archive.pack_after_s is 0: packing is off; use --now to pack all the same")
    columns = pack_columns if packs_columns(settings) else None
    folder = _journal(data_dir, config)
    try:
        lock = DataDirLock(folder.parent)
    except DataDirLockedError:
        if not now:
            raise
        request(folder)
        say("💬 the running server packs all sealed files now; `logboom storage` shows how far it is")
        return
    with closing(lock):
        clean_up(folder)
        due = packable(folder, 0.0 if now else settings.pack_after_s)
        for segment, sealed in due:
            done = pack_segment(segment, sealed, level=settings.level, columns=columns)
            delete_plain(segment)
            answer(f"{segment.packed_path.name}  {done.plain_bytes:,} bytes, now {done.packed_bytes:,}")
            if done.not_columns:
                say(f"💬 as zstd frames, since {done.not_columns}")
        if not due:
            say("💬 no sealed file is old enough" if not now else "💬 no file is sealed and plain")


def unpack(*, data_dir: options.ReadDataDir = None, config: options.ConfigFile = None) -> None:
    """Turn all packed files into plain ones again. The server must be stopped, and packing off to keep them.

    Example:
      logboom unpack --data-dir /var/lib/logboom

    Exit codes: 0 done, 1 the disk is full, or the server is running.
    """
    from logboom.journal.lock import DataDirLock
    from logboom.journal.segment_packing import clean_up
    from logboom.journal.segment_packing import unpack as unpack_segment
    from logboom.journal.segments import list_segments

    folder = _journal(data_dir, config)
    with closing(DataDirLock(folder.parent)):
        clean_up(folder)
        for segment in list_segments(folder):
            if segment.is_packed:
                unpack_segment(segment)
                answer(segment.name)


def storage(*, data_dir: options.ReadDataDir = None, config: options.ConfigFile = None) -> None:
    """Show the size of the journal on disk: plain and packed files, and the space that is left.

    Example:
      logboom storage --data-dir /var/lib/logboom

    Exit codes: 0 shown, 1 there is no journal.
    """
    import shutil
    import time

    from logboom.journal.folder_log import FolderLog
    from logboom.journal.segment_packing import storage_of
    from logboom.ops.pack_service import RECENT_S
    from logboom.ops.storage import growth_of
    from logboom.viewer.tables import write_table

    folder, now = _journal(data_dir, config), time.time()
    found = storage_of(folder, now - RECENT_S)
    rows = [
        ("plain", f"{found.plain_segments:,}", f"{found.plain_bytes:,}", f"{found.plain_bytes:,}"),
        ("packed", f"{found.packed_segments:,}", f"{found.packed_bytes:,}", f"{found.unpacked_bytes:,}"),
    ]
    write_table(sys.stdout, ("FORM", "FILES", "BYTES", "BYTES OF LINES"), rows)
    if found.ratio is not None:
        answer(f"packed files are {found.ratio:.1f} times smaller than their lines")
    free, first_ns = shutil.disk_usage(folder).free, FolderLog(folder).first_arrival()
    answer(f"{free:,} bytes are free on this disk")
    growth = growth_of(found, now - first_ns / 1e9, packs=True) if first_ns else None
    if growth is not None and growth.disk_bytes_per_day:
        days = free / growth.disk_bytes_per_day
        answer(
            f"{growth.lines_bytes_per_day:,.0f} bytes of lines come per day, packed "
            f"{growth.disk_bytes_per_day:,.0f}: space for {days:,.0f} days"
        )


def _journal(data_dir: str | None, config: Path | None) -> Path:
    """Return the journal's folder. Raises `StorageError`."""
    root = options.data_dir_of(data_dir, config)
    if not (root / "journal").is_dir():
        raise StorageError(f"there is no journal in {root}: name the data directory with --data-dir")
    return root / "journal"

"""Explanation of the fate of a line: stored, refused, missing, left out, deleted, or not known.

It says what can be known from the journal, the list of devices, the refused lines and the counters, and no more.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from logboom.formats.buckets import microseconds
from logboom.formats.times import iso_from_ns
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Log, blocks
from logboom.journal.manifest import SegmentEvent, read_manifest
from logboom.journal.segments import find_segment, list_segments
from logboom.model import Verdict
from logboom.ops.devices.device import Device
from logboom.ops.monitor import Monitor
from logboom.outputs.selection import Selection
from logboom.pipeline.refusals import RefusedLine
from logboom.query.line_question import AROUND_US, LineQuestion
from logboom.query.matching import Found
from logboom.query.search import Search

FOUND_MAX: Final = 10
"""Entries, and refused lines, of one answer."""

DELETED_MAX: Final = 20
"""Deleted segments of one answer, the newest."""


class Explainer:
    """Answers why a line is where it is, from what the server has. Any thread may ask.

    Args:
        monitor: state of the server.
        refused: copy of the refused lines that are kept, newest first.
    """

    def __init__(self, monitor: Monitor, refused: Sequence[RefusedLine]) -> None:
        self._monitor = monitor
        self._refused_lines = refused

    def explain(
        self, asked: LineQuestion, log: Log, give_up: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Return the document of `/api/why`.

        Args:
            asked: the line.
            log: the journal.
            give_up: asked after each block that was read; True ends the search.
        """
        device = self._device(asked)
        if device is not None and asked.source not in (
            device.name,
            device.peer,
        ):  # the name that it was given
            asked = asked._replace(source=device.name)
        limit = FOUND_MAX if asked.names_a_line else 0
        page = Search(log, give_up).backward(asked.filter(), limit, end=None if limit else 0)
        refused = list(islice(self._refused(asked), limit))
        missing = None if page.found else self._missing(asked, device, log)
        deleted = self._deleted(log)
        document: dict[str, Any] = {
            "stored": [self._stored(one, log) for one in page.found],
            "complete": not page.more,
            "refused": [one.document() for one in refused],
            "missing": missing,
            "left_out": self._left_out(device),
            "deleted": [{"segment": one.segment, "entries": one.entries, "at": one.at} for one in deleted],
        }
        verdict, text = self._verdict(asked, document, device, log)
        return {"verdict": verdict, "text": text, **document}

    # --- stored

    def _stored(self, found: Found, log: Log) -> dict[str, Any]:
        record = found.record
        return {
            "sequence": record.sequence,
            "received_at": record.received_at,
            "time": record.time,
            "time_from": record.time_from,
            "listener": record.listener,
            "source": record.source,
            "text": found.entry.decode(errors="replace"),
            "copy": record.is_copy,
            "sent": self._times_sent(record.listener, found.entry),
            **_place_of(log, record.sequence),
            "outputs": self._outputs(record.sequence, log),
        }

    def _times_sent(self, listener: str, entry: bytes) -> int | None:
        """Return how often a line was sent; None: not known, it was not looked at, or is too long ago."""
        service = self._monitor.listeners.get(listener)
        resends = service.service.intake.resends if service is not None else None
        return None if resends is None else resends.times_sent(entry)

    def _outputs(self, sequence: int, log: Log) -> dict[str, str]:
        line = next(iter(blocks(log, sequence, sequence + 1)), None)
        states: dict[str, str] = {}
        for name, one in self._monitor.outputs.items():
            settings = self._monitor.settings.outputs.get(name, {})
            selection = Selection(settings.get("listeners", ()), settings.get("filter", ""))
            selected = line is None or bool(selection.of(line, sequence).sequences)
            delivered = "delivered" if one.service.runner.position > sequence else "waiting"
            states[name] = delivered if selected else "left out by its filter"
        return states

    # --- not stored

    def _refused(self, asked: LineQuestion) -> Iterator[RefusedLine]:
        numbers = [(b"boot_seq", asked.boot), (b"seq", asked.seq)]
        needles = [
            re.compile(rb'"%b"\s*:\s*%d(?![0-9])' % (key, number))
            for key, number in numbers
            if number is not None
        ]
        for one in self._refused_lines:
            raw = one.raw or b""
            is_source = asked.source in ("", one.source, one.address) or asked.source.encode() in raw
            is_near = not asked.time or abs(microseconds(one.at) - microseconds(asked.time)) <= AROUND_US
            if (
                is_source
                and is_near
                and asked.begin.encode() in raw
                and all(one.search(raw) for one in needles)
            ):
                yield one

    def _device(self, asked: LineQuestion) -> Device | None:
        book = self._monitor.devices
        return book.named(asked.source) if book is not None and asked.source else None

    def _missing(self, asked: LineQuestion, device: Device | None, log: Log) -> dict[str, Any] | None:
        """Return the gap that holds a line, with its neighbours; None: there is no such gap."""
        boot = device.boot_of(asked.boot) if device is not None and asked.boot is not None else None
        seq = asked.seq
        if device is None or boot is None or seq is None:
            return None
        gap = next((one for one in boot.gaps if one.low <= seq <= one.high), None)
        if gap is None:
            return None
        before, after = (
            Search(log).backward(asked._replace(seq=number).filter(), 1).found
            for number in (gap.low - 1, gap.high + 1)
        )
        return {
            "first": gap.low,
            "last": gap.high,
            "before": _neighbour(before),
            "after": _neighbour(after),
            "connected": self._was_connected(device, gap.before, gap.since),
        }

    def _was_connected(self, device: Device, since: str, until: str) -> bool | None:
        """Return whether a device was connected all the time between two arrivals; None: not known."""
        service = self._monitor.listeners.get(device.listener)
        lineages = service.service.intake.lineages if service is not None else None
        if lineages is None or not since:
            return None
        span = (microseconds(since) / 1e6, microseconds(until) / 1e6)
        return lineages.was_connected(device.listener, device.peer, *span)

    def _left_out(self, device: Device | None) -> list[dict[str, Any]]:
        """Return the numbers of lines that listeners left out for their level, or for a rate, since the start."""
        names = [device.listener] if device is not None else list(self._monitor.listeners)
        counts = [
            (name, self._monitor.counters(name).verdicts) for name in names if name in self._monitor.listeners
        ]
        return [
            {"listener": name, "filtered": verdicts[Verdict.FILTERED], "limited": verdicts[Verdict.LIMITED]}
            for name, verdicts in counts
            if verdicts[Verdict.FILTERED] or verdicts[Verdict.LIMITED]
        ]

    def _deleted(self, log: Log) -> list[SegmentEvent]:
        if not isinstance(log, FolderLog):
            return []
        gone = read_manifest(log.folder).gone()
        expired = [event for _, event in sorted(gone.items()) if event.event == "expired"]
        return expired[: -DELETED_MAX - 1 : -1]

    # --- the answer

    def _verdict(
        self, asked: LineQuestion, document: dict[str, Any], device: Device | None, log: Log
    ) -> tuple[str, list[str]]:
        if not asked.names_a_line:
            return "not known", ["ask with source, boot and seq; or with a text; or with a time"]
        if document["stored"]:
            return "stored", [_stored_text(one) for one in document["stored"]]
        if document["refused"]:
            texts = [f"refused at {one['at']}: {one['reason']}" for one in document["refused"]]
            return "refused", texts
        if document["missing"] is not None:
            return "missing", _missing_text(document["missing"])
        return self._unseen(asked, document, device, log)

    def _unseen(
        self, asked: LineQuestion, document: dict[str, Any], device: Device | None, log: Log
    ) -> tuple[str, list[str]]:
        """Return verdict and text for a line of which there is no trace."""
        if not document["complete"]:
            return "not known", ["the search took too long: give a source, or a time"]
        deleted = document["deleted"]
        boot = device.boot_of(asked.boot) if device is not None and asked.boot is not None else None
        if boot is not None and asked.seq is not None and boot.high is not None and boot.low is not None:
            if asked.seq > boot.high:
                return "not known", [f"it has not come: the last line of this boot has seq {boot.high}"]
            if boot.low <= asked.seq and deleted and not boot.untracked:
                return "deleted", [
                    f"it was stored, and deleted by retention at {deleted[0]['at'] or 'a time not known'}"
                ]
        first_ns = log.first_arrival()
        if deleted and asked.time and first_ns is not None and microseconds(asked.time) * 1000 < first_ns:
            first = iso_from_ns(first_ns)
            return "not known", [
                f"older than the oldest entry ({first}): entries before were deleted by retention"
            ]
        return "not known", ["no trace of it: it did not arrive, or it was not kept", *_doubts(document)]


def _doubts(document: dict[str, Any]) -> list[str]:
    texts = []
    for one in document["left_out"]:
        parts = [f"{one[key]:,} lines as {key}" for key in ("filtered", "limited") if one[key]]
        texts.append(
            f"listener {one['listener']} left out {' and '.join(parts)} since the start; which is not known"
        )
    if document["deleted"]:
        texts.append(
            f"{len(document['deleted'])} segments were deleted by retention, the last at {document['deleted'][0]['at']}"
        )
    return texts


def _stored_text(one: dict[str, Any]) -> str:
    packed = ", which is packed" if one["packed"] else ""
    text = f"stored as entry {one['sequence']} at {one['received_at']}, in segment {one['segment']}{packed}"
    if one["sent"] is not None and one["sent"] > 1:
        text += f"; sent {one['sent']} times, stored once"
    if one["copy"]:
        text += "; it may be a copy of another entry"
    for name, state in one["outputs"].items():
        text += f"; output {name}: {state}"
    return text


def _missing_text(missing: dict[str, Any]) -> list[str]:
    before, after, connected = missing["before"], missing["after"], missing["connected"]
    texts = [f"missing: lines with seq {missing['first']} to {missing['last']} of this boot did not come"]
    for word, one in (("before", before), ("after", after)):
        if one is not None:
            texts.append(f"the line {word} came at {one['received_at']}, as entry {one['sequence']}")
    known = {
        True: "was connected all the time",
        False: "was not connected all the time",
        None: "may have been connected or not: not known",
    }
    return [*texts, f"between these, the device {known[connected]}"]


def _neighbour(found: Sequence[Found]) -> dict[str, Any] | None:
    return (
        {"sequence": found[0].record.sequence, "received_at": found[0].record.received_at} if found else None
    )


def _place_of(log: Log, sequence: int) -> dict[str, Any]:
    segments = list_segments(log.folder) if isinstance(log, FolderLog) else []
    segment = segments[find_segment(segments, sequence)] if segments else None
    return {
        "segment": segment.form.name if segment is not None else "",
        "packed": segment is not None and segment.is_packed,
    }

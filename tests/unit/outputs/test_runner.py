import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import pytest

from logboom.errors import OutputError
from logboom.journal.log import Block
from logboom.outputs.base import Output, OutputPace
from logboom.outputs.jsonl import JsonlOutput
from logboom.outputs.runner import FAILURES_LOGGED, RETRY_MIN_S, OutputRunner

Event = tuple[str, str]


class Feed(Protocol):
    """See conftest."""

    journal: Any
    next: int
    data_dir: Path

    def append(self, count: int) -> None: ...


class Memory:
    """An output in memory, with faults to order and a flag for each thing it does."""

    def __init__(self) -> None:
        self.damaged = self.skipped = 0
        self.sequences: list[int] = []
        self.faults: list[Exception] = []
        self.durable = 0
        self.opened = 0
        self.closed = 0
        self.flushed: SimpleQueue[int] = SimpleQueue()

    def open(self) -> None:
        self.opened += 1
        self.next = self.durable
        del self.sequences[self.durable :]

    def write(self, block: Block) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.sequences += range(block.first_sequence, block.next_sequence)
        self.next = block.next_sequence

    def flush(self) -> None:
        self.durable = self.next
        self.flushed.put(self.durable)

    def position(self) -> int:
        return self.durable

    def rewind(self, sequence: int) -> None:
        self.next = self.durable = sequence

    def close(self) -> None:
        self.closed += 1


class Events:
    """What was reported, to wait for."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self._queue: SimpleQueue[Event] = SimpleQueue()

    def __call__(self, kind: str, text: str) -> None:
        self.seen.append((kind, text))
        self._queue.put((kind, text))

    def wait_for(self, part: str) -> Event:
        while True:
            event = self._queue.get(timeout=10)
            if part in event[1]:
                return event


def wait_until(memory: Memory, position: int) -> None:
    while memory.flushed.get(timeout=10) < position:
        pass


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def run(feed: Feed, events: Events, request: pytest.FixtureRequest) -> Callable[..., OutputRunner]:
    """Starts a runner of an output; stopped at the end."""

    def start(output: Output, **more: Any) -> OutputRunner:
        runner = OutputRunner("o", output, feed.journal.log, events, **{"flush_interval_s": 0.0, **more})
        request.addfinalizer(lambda: runner.stop(10))
        runner.start()
        return runner

    return start


def test_it_catches_up_and_follows(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    feed.append(100)
    runner = run(memory)
    wait_until(memory, 100)
    for _ in range(50):
        feed.append(3)
    wait_until(memory, 250)
    runner.stop(10)
    assert memory.sequences == list(range(250))
    assert (runner.position, runner.lag, runner.failing, events.seen) == (250, 0, None, [])
    assert memory.closed == 1


def test_stop_catches_up_with_what_is_committed(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory
) -> None:
    feed.append(500)
    runner = run(memory, flush_interval_s=3600.0)
    feed.append(500)
    feed.journal.close()
    runner.stop(10)
    assert (memory.durable, runner.lag) == (1000, 0)
    runner.stop(10)


def test_stop_before_start(feed: Feed, memory: Memory, events: Events) -> None:
    OutputRunner("o", memory, feed.journal.log, events).stop(10)
    assert memory.opened == 0


def test_trouble_is_reported_once_and_recovery_too(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    delays: list[float] = []
    memory.faults = [OutputError("no room")] * 4 + [OSError(5, "I/O error")]
    feed.append(10)
    runner = run(memory, pause=delays.append)
    assert events.wait_for("works again") == ("info", "output o works again, 0 entries behind")
    runner.stop(10)
    assert [text for kind, text in events.seen if kind == "error"] == [
        "output o can't write: no room; it will be retried",
        "output o can't write: [Errno 5] I/O error; it will be retried",
    ]
    assert memory.sequences == list(range(10))
    assert delays[:5] == [RETRY_MIN_S * 2**n for n in range(5)]
    assert memory.closed == 6


def test_a_fault_of_ours_ends_the_thread_and_another_start_goes_on_where_it_was(
    feed: Feed, memory: Memory, events: Events
) -> None:
    memory.faults = [ValueError("odd")]
    feed.append(10)
    runner = OutputRunner("o", memory, feed.journal.log, events, flush_interval_s=0.0)
    deaths: SimpleQueue[Exception | None] = SimpleQueue()
    runner.start(deaths.put)
    death = deaths.get(timeout=10)
    assert isinstance(death, ValueError)
    assert runner.failing == "ValueError: odd"
    runner.start(deaths.put)
    assert events.wait_for("works again") == ("info", "output o works again, 0 entries behind")
    runner.stop(10)
    assert deaths.get(timeout=10) is None
    assert memory.sequences == list(range(10))


def test_a_blink_is_tried_again_without_a_word(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    memory.faults = [OutputError("no room")] * (FAILURES_LOGGED - 1)
    feed.append(5)
    written = threading.Event()

    def pause(_seconds: float) -> None:
        if memory.sequences:
            written.set()

    runner = run(memory, pause=pause)
    assert written.wait(10)
    runner.stop(10)
    assert memory.sequences == list(range(5))
    assert [text for kind, text in events.seen if kind == "error"] == []


def test_back_off_is_bounded_and_starts_anew_after_a_success(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    delays: list[float] = []
    memory.faults = [OutputError("no room")] * 12
    feed.append(1)
    runner = run(memory, pause=delays.append)
    events.wait_for("works again")
    memory.faults = [OutputError("no room")] * FAILURES_LOGGED
    feed.append(1)
    events.wait_for("works again")
    runner.stop(10)
    retries = [delay for delay in delays if delay]
    assert max(retries) == retries[11] == OutputPace().retry_s_max
    assert retries[12:] == [RETRY_MIN_S, 2 * RETRY_MIN_S, 4 * RETRY_MIN_S]
    assert len([kind for kind, _ in events.seen if kind == "error"]) == 2


def test_failing_is_visible(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    trouble, repaired = threading.Event(), threading.Event()

    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if seconds and len([one for one in pauses if one]) == FAILURES_LOGGED:
            trouble.set()
            repaired.wait(10)

    memory.faults = [OutputError("no room")] * FAILURES_LOGGED
    feed.append(7)
    runner = run(memory, pause=pause)
    assert trouble.wait(10)
    assert (runner.failing, runner.lag, runner.position) == ("no room", 7, 0)
    repaired.set()
    events.wait_for("works again")
    runner.stop(10)
    assert (runner.failing, runner.lag, runner.position) == (None, 0, 7)


def test_an_output_in_trouble_gets_one_more_try_at_the_end(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    feed.append(7)
    memory.faults = [OutputError("no room")] * 1000
    runner = run(memory)
    events.wait_for("no room")
    runner.stop(10)
    assert len(memory.faults) > 900
    assert events.seen[-1] == ("error", "output o: 7 entries are left for the next start")


def test_the_stop_deadline_is_kept(
    run: Callable[..., OutputRunner],
    feed: Feed,
    memory: Memory,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck, released = threading.Event(), threading.Event()

    def flush() -> None:
        stuck.set()
        released.wait(10)

    monkeypatch.setattr(memory, "flush", flush)
    feed.append(7)
    runner = run(memory)
    assert stuck.wait(10)
    runner.stop(0.0)
    assert events.seen == [("error", "output o: 7 entries are left for the next start")]
    released.set()


def test_reopen(run: Callable[..., OutputRunner], feed: Feed, memory: Memory) -> None:
    feed.append(1)
    runner = run(memory)
    wait_until(memory, 1)
    runner.reopen()
    feed.append(1)
    runner.stop(10)
    assert (memory.opened, memory.closed, memory.sequences) == (2, 2, [0, 1])


def test_deleted_entries_are_named(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    memory.durable = 2
    memory.sequences = [0, 1]
    for _ in range(5):
        feed.append(20)  # about one segment
    oldest = sorted(feed.journal.folder.glob("*.jsonl"))[1]
    min(feed.journal.folder.glob("*.jsonl")).unlink()
    first = int(oldest.stem)
    run(memory)
    wait_until(memory, 100)
    text = f"{first - 2} entries were deleted before output o could write them: sequences 2 to {first - 1}"
    assert events.seen == [("error", text)]
    assert memory.sequences == [0, 1, *range(first, 100)]


def test_a_new_output_starts_with_what_is_left(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    for _ in range(5):
        feed.append(20)
    min(feed.journal.folder.glob("*.jsonl")).unlink()
    run(memory)
    wait_until(memory, 100)
    ((kind, text),) = events.seen
    assert (kind, text.split(":")[0]) == ("warning", f"output o starts with sequence {memory.sequences[0]}")


def test_a_journal_that_was_started_anew(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    feed.append(3)
    memory.durable = 1000
    run(memory)
    assert events.wait_for("was at sequence 1000, but the journal ends at 3")[0] == "error"
    feed.append(2)
    wait_until(memory, 5)
    assert memory.sequences == [3, 4]


def test_damaged_lines_are_reported(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    memory.damaged = 3
    feed.append(1)
    run(memory)
    assert events.wait_for("damaged") == ("error", "output o: 3 damaged journal lines were skipped")


def test_a_file_output_recovers_when_its_folder_is_repaired(
    run: Callable[..., OutputRunner],
    feed: Feed,
    events: Events,
    make_jsonl: Callable[..., JsonlOutput],
    jsonl_of: Callable[[int, int], bytes],
    out: Path,
) -> None:
    out.parent.write_bytes(b"a file where the folder should be")
    feed.append(10)
    runner = run(make_jsonl())
    assert str(out.parent) in events.wait_for("can't write")[1]
    feed.append(10)
    out.parent.unlink()
    events.wait_for("works again")
    runner.stop(10)
    assert out.read_bytes().count(b"\n") == 20
    assert runner.position == 20


class HandMadePermit:
    """A permission that the test grants."""

    def __init__(self, *, position: int = 0, moves: bool = True) -> None:
        self.position, self.moves, self.granted, self.writing = position, moves, False, False

    def note(self, position: int) -> None:
        self.position = position


def test_an_output_waits_for_its_permission_and_stops_when_it_ends(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    permit = HandMadePermit(position=40)
    asked: SimpleQueue[float] = SimpleQueue()

    def pause(seconds: float) -> None:
        asked.put(seconds)
        time.sleep(0.001)

    feed.append(100)
    runner = run(memory, permit=permit, pause=pause)
    asked.get(timeout=10)
    asked.get(timeout=10)
    assert (runner.standby, runner.lag, runner.position, memory.opened) == (True, 0, 40, 0)
    permit.granted = True
    wait_until(memory, 100)
    assert (memory.sequences, permit.position) == (list(range(40, 100)), 100)
    permit.granted = False
    feed.append(10)
    while memory.closed < 1:
        asked.get(timeout=10)
    permit.position = 105  # another server has written these
    permit.granted = True
    wait_until(memory, 110)
    runner.stop(10)
    assert memory.sequences[-5:] == list(range(105, 110))
    assert events.seen == []


def test_an_output_waits_until_the_copy_has_what_another_server_has_written(
    run: Callable[..., OutputRunner], feed: Feed, memory: Memory, events: Events
) -> None:
    memory.durable = 20
    permit = HandMadePermit(moves=False)
    permit.granted = True
    feed.append(10)
    runner = run(memory, permit=permit, pause=lambda _seconds: time.sleep(0.001))
    text = "another server has written it up to 20, and the copy ends at 10"
    assert events.wait_for(text)[0] == "error"
    feed.append(15)
    wait_until(memory, 25)
    runner.stop(10)
    assert memory.sequences == list(range(20, 25))

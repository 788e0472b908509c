"""The deduplicator's checkpoints: whole, torn, missing, old."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue

import pytest

from logboom.journal.folder_log import FolderLog
from logboom.journal.journal import AckLevel, Journal
from logboom.journal.writer import Committed
from logboom.model import Batch, Receipt, Source, Verdict
from logboom.pipeline.deduplicator import DIGEST_BYTES, PAIR_BYTES, Deduplicator, RequestKey
from logboom.pipeline.intake import Intake, IntakeLimits
from logboom.pipeline.keylog import WINDOWS_NAME, KeyLog, encoded_key

WINDOW_S = 86400.0


def quiet(_kind: str, _text: str) -> None:
    pass


class Server:
    """A journal with keys; `stop` ends it cleanly, `crash` without a last checkpoint."""

    def __init__(self, data_dir: Path) -> None:
        self.reports: list[str] = []
        self.journal = Journal(data_dir, lambda work, *arguments: work(*arguments))
        self.deduplicator = Deduplicator(WINDOW_S, 1 << 20)
        self.keylog = KeyLog(
            data_dir, self.deduplicator, WINDOW_S, lambda _kind, text: self.reports.append(text)
        )
        self.keylog.open(self.journal.log)
        self.intake = Intake(self.journal, AckLevel.SYNCED, quiet, IntakeLimits(), self.deduplicator)

    def send(self, key: str, *entries: bytes) -> None:
        request = RequestKey(encoded_key("test", key))
        batch = Batch(b"\n".join(entries), bytes(len(entries)), size_bytes=1)
        batch.digests = request.digests(batch.entries)
        batch.keys = [request.encoded] * len(entries)
        batch.source = Source("http", "127.0.0.1")
        self.intake.submit(batch, lambda receipt: None)

    def send_window(self, window: str, *entries: bytes, ends: bool = True) -> int:
        """Send entries as a request with a window; returns how many were stored."""
        request = RequestKey(encoded_key("test", "file"), window)
        self.deduplicator.open(request, self.journal.log.end)
        batch = Batch(b"\n".join(entries), bytes(len(entries)), size_bytes=1)
        batch.digests, batch.keys = request.digests(batch.entries), [request.encoded] * len(entries)
        batch.source = Source("import", "a.log")
        receipts: SimpleQueue[Receipt] = SimpleQueue()
        self.intake.submit(batch, receipts.put)
        receipt = receipts.get(timeout=30)
        if ends:
            self.deduplicator.close(request, whole=True)
        return receipt.verdicts.count(Verdict.ACCEPTED)

    def crash(self) -> None:
        self.journal.close()

    def stop(self) -> None:
        self.journal.close()
        self.keylog.note(self.journal.answered)


def stored(data_dir: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (data_dir / "journal").glob("*.jsonl"))


def twice(data_dir: Path, between: Callable[[], object], end: Callable[[Server], None]) -> None:
    """Send entries under a key, end the server, change something, and send the same again."""
    first = Server(data_dir)
    first.send("one", b'{"n":1}', b'{"n":2}', b'{"n":1}')
    first.send("two", b'{"n":1}')
    end(first)
    assert stored(data_dir) == 4
    between()
    second = Server(data_dir)
    second.send("one", b'{"n":1}', b'{"n":2}', b'{"n":1}')
    second.send("two", b'{"n":1}', b'{"n":3}')
    second.stop()
    assert stored(data_dir) == 5


def test_keys_outlive_a_clean_stop(tmp_path: Path) -> None:
    twice(tmp_path, lambda: None, Server.stop)


def test_keys_outlive_a_crash_before_the_first_checkpoint(tmp_path: Path) -> None:
    twice(tmp_path, lambda: None, Server.crash)


def test_a_missing_folder_is_made_up_for_from_the_journal(tmp_path: Path) -> None:
    def remove() -> None:
        for path in (tmp_path / "keys").iterdir():
            path.unlink()
        (tmp_path / "keys").rmdir()

    twice(tmp_path, remove, Server.stop)


@pytest.mark.parametrize("cut", [1, 5, 17, 30])
def test_a_torn_frame_is_read_again_from_the_journal(tmp_path: Path, cut: int) -> None:
    def tear() -> None:
        [path] = (tmp_path / "keys").glob("*.keys")
        path.write_bytes(path.read_bytes()[:-cut])

    twice(tmp_path, tear, Server.stop)


def test_a_flipped_bit_is_read_again_from_the_journal(tmp_path: Path) -> None:
    def flip() -> None:
        [path] = (tmp_path / "keys").glob("*.keys")
        data = bytearray(path.read_bytes())
        data[-3] ^= 4
        path.write_bytes(data)

    twice(tmp_path, flip, Server.stop)


def test_entries_that_mention_a_key_have_none(tmp_path: Path) -> None:
    first = Server(tmp_path)
    entry = b'{"source":"x","key":"test:one","listener":"http","message":"\\",\\"key\\":\\"test:one\\""}'
    batch = Batch(entry, b"\0", size_bytes=1)
    batch.source = Source("http", "127.0.0.1")
    first.intake.submit(batch, lambda receipt: None)
    first.crash()
    second = Server(tmp_path)
    assert len(second.deduplicator) == 0
    second.send("one", entry)
    second.stop()
    assert stored(tmp_path) == 2


def test_a_duplicate_of_an_entry_that_could_not_be_stored_fails_with_it() -> None:
    receipts: list[Receipt] = []
    deduplicator = Deduplicator(WINDOW_S, 1 << 20)
    waiting: list[tuple[Batch, Callable[[Receipt], None]]] = []

    class Slow:
        def submit(self, batch: Batch, _ack: AckLevel, done: Callable[[Receipt], None]) -> None:
            waiting.append((batch, done))

    intake = Intake(Slow(), AckLevel.SYNCED, quiet, IntakeLimits(), deduplicator)
    for _ in range(2):
        request = RequestKey(b'"k"')
        batch = Batch(b'{"n":1}', b"\0", size_bytes=1)
        batch.digests, batch.keys = request.digests(batch.entries), [request.encoded]
        intake.submit(batch, receipts.append)
    first, second = waiting
    first[1](first[0].failed_receipt())
    second[1](second[0].receipt(None))
    assert [receipt.verdicts for receipt in receipts] == [b"\x07", b"\x07"]


def test_a_disk_that_fails_is_logged_once_and_tried_again(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.send("one", b'{"n":1}')
    server.journal.finish()
    for path in (tmp_path / "keys").iterdir():
        path.unlink()
        path.mkdir()
    server.keylog.note(server.journal.answered)
    server.send("two", b'{"n":2}')
    server.keylog.note(server.journal.answered)
    assert len(server.reports) == 1
    assert "can't be noted" in server.reports[0]
    server.journal.close()


def test_files_hold_no_more_than_can_be_remembered(tmp_path: Path) -> None:
    """A start must not read the keys of a day only to forget most of them."""
    pairs, now = 2400, 0.0
    deduplicator = Deduplicator(WINDOW_S, pairs * PAIR_BYTES, lambda: now)
    keylog = KeyLog(tmp_path, deduplicator, WINDOW_S, quiet, lambda: now)
    for second in range(100):
        now = float(second)
        digests = [
            blake2b(b"%d-%d" % (second, number), digest_size=DIGEST_BYTES).digest() for number in range(200)
        ]
        assert all(deduplicator.claim(digests))
        deduplicator.settle(digests, stored=True)
        keylog.note(second)
        assert len(deduplicator) <= pairs
    assert sum(path.stat().st_size for path in (tmp_path / "keys").iterdir()) < 2 * pairs * DIGEST_BYTES
    again = Deduplicator(WINDOW_S, pairs * PAIR_BYTES, lambda: now)
    opened = KeyLog(tmp_path, again, WINDOW_S, quiet, lambda: now)
    opened.open(FolderLog(tmp_path / "journal", lambda: Committed(0, 0, 0)))
    assert len(again) <= pairs
    assert all(map(again.holds, digests))


LINES = [b'{"n":%d}' % number for number in range(50)]


@pytest.mark.parametrize("noted", [True, False])
def test_a_window_is_known_after_a_crash_and_after_its_keys_expired(tmp_path: Path, noted: bool) -> None:
    first = Server(tmp_path)
    assert first.send_window("w", *LINES) == 50
    if noted:
        first.keylog.note(first.journal.answered)
    first.crash()
    if noted:
        for path in (tmp_path / "keys").glob("*.keys"):
            path.unlink()  # as after a day
        (tmp_path / "keys" / "1.keys").write_bytes(b"")
        with (tmp_path / "keys" / WINDOWS_NAME).open("ab") as file:
            file.write(b"torn")
    again = Server(tmp_path)
    assert again.send_window("w", *LINES) == 0
    assert again.send_window("other", b"{}") == 1
    again.stop()
    assert Server(tmp_path).send_window("other", b"{}") == 0


def test_entries_of_a_window_that_was_not_ended_are_known_after_a_crash(tmp_path: Path) -> None:
    first = Server(tmp_path)
    first.send_window("w", *LINES[:20], ends=False)
    first.keylog.note(first.journal.answered)
    first.send_window("v", b"{}")
    first.keylog.note(first.journal.answered)
    first.crash()
    again = Server(tmp_path)
    assert again.send_window("w", *LINES) == 30


def test_a_window_is_no_key_of_an_entry_on_disk(tmp_path: Path) -> None:
    server = Server(tmp_path)
    for number in range(20):
        server.send_window(f"w{number}", *[b'{"n":%d}' % (number * 100 + n) for n in range(50)])
        server.keylog.note(server.journal.answered)
    server.crash()
    assert len(Server(tmp_path).deduplicator) == 0

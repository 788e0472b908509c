"""Any schedule of writes, rotations, looks, deliveries and crashes: every line of the file once."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.clients.delivery import spool as spool_module
from tests.kit.follow_kit import Run

STEPS = st.lists(
    st.sampled_from(
        [
            "write",
            "write",
            "rename",
            "date",
            "copy",
            "truncate",
            "delete",
            "look",
            "deliver",
            "crash",
            "stop",
            "full",
            "room",
        ]
    ),
    max_size=30,
)


class Story:
    """A file and its followers, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.log"
        self.path.touch()
        self.written: list[bytes] = []
        self.found: list[bytes] = []
        self._rotations = 0
        self.said: list[str] = []
        self._full = False
        self._begin()
        self.run.read()

    def _begin(self) -> None:
        self.run = Run(self.path)
        self.said += self.run.said
        self.run.said = self.said
        self._limit()

    def play(self, steps: Iterable[str]) -> None:
        for step in steps:
            getattr(self, step)()
        self.room()
        for _ in range(4):
            self.look()
            self.deliver()

    def write(self) -> None:
        line = b"line %d, which is as long as lines of logs are" % len(self.written)
        with self.path.open("ab") as file:
            file.write(line + b"\n")
        self.written.append(line)

    def rename(self) -> None:
        for number in range(self._rotations, 0, -1):
            if (old := self.path.with_name(f"app.log.{number}")).exists():
                old.rename(self.path.with_name(f"app.log.{number + 1}"))
        self._rotations += 1
        self.path.rename(self.path.with_name("app.log.1"))
        self.path.touch()

    def date(self) -> None:
        self._rotations += 1
        self.path.rename(self.path.with_name(f"app.log-2025{self._rotations:04}"))
        self.path.touch()

    def copy(self) -> None:
        self._rotations += 1
        self.path.with_name(f"app.log-2025{self._rotations:04}").write_bytes(self.path.read_bytes())
        os.truncate(self.path, 0)

    def truncate(self) -> None:
        """Without a copy: only when all was read, or it is lost by nature."""
        self.look()
        if not self._full:
            os.truncate(self.path, 0)

    def delete(self) -> None:
        """The oldest rotated file: only when all was read."""
        self.look()
        rotated = sorted(self.path.parent.glob("app.log[.-]*"), key=lambda path: path.stat().st_mtime_ns)
        if rotated and not self._full:
            rotated[0].unlink()

    def look(self) -> None:
        self.run.read()

    def deliver(self) -> None:
        self.found += self.run.take()

    def crash(self) -> None:
        self.run.crash()
        self._begin()

    def stop(self) -> None:
        self.run.end()
        self._begin()

    def full(self) -> None:
        self._full = True
        self._limit()

    def room(self) -> None:
        self._full = False
        self._limit()

    def _limit(self) -> None:
        self.run.follower.spool._bytes_max = 0 if self._full else 1 << 30


@settings(max_examples=60)
@given(STEPS, st.sampled_from([2000, 4 << 20]))
def test_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], file_bytes_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool_module, "FILE_BYTES_MAX", file_bytes_max)
        story = Story(tmp_path_factory.mktemp("follow"))
        story.play(steps)
        assert sorted(story.found) == sorted(story.written)
        assert "delete" in steps or not [text for text in story.said if "❌" in text]
        story.run.end()

"""A follower without a server and without waiting: each look at the file, and each delivery, is called."""

import asyncio
from pathlib import Path

from logboom.clients.delivery.delivery import Policy
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.shipping import Shipper
from logboom.clients.follow.file_follower import FileFollower, FollowOptions
from logboom.clients.follow.statefile import StateFile
from logboom.clients.wire.collector_dialect import CollectorDialect
from logboom.clients.wire.dialect import Dialect
from logboom.clients.wire.target import Target

NOW = FollowOptions(interval_s=0.0, old_file_quiet_s=0.0)


class Run:
    """One run of a follower, up to its end or to a crash."""

    def __init__(self, path: Path, options: FollowOptions = NOW, dialect: Dialect | None = None) -> None:
        self.said: list[str] = []
        target = Target("tcp", "127.0.0.1", 9)
        self.shipper = Shipper(
            dialect or CollectorDialect(),
            target,
            Policy(),
            report=Report(),
            source="app",
            say=self.said.append,
        )
        self.state_file = StateFile(path.with_name("state.json"))

        async def make() -> FileFollower:
            return FileFollower(path, self.state_file, self.shipper, options, self._say)

        self.follower = asyncio.run(make())
        self.follower.resume()

    def _say(self, text: str) -> None:
        self.said.append(text)

    def read(self) -> None:
        """Look at the file, as when the server is away: what was read stays in the spool."""
        asyncio.run(self.follower.read_all())

    def take(self) -> list[bytes]:
        """Deliver what is in the spool."""
        spool, found = self.follower.spool, []
        while one := spool.peek(100, 1 << 20):
            found += [pending.text for pending in one]
            spool.drop(len(one))
            spool.adopt()
        return found

    def look(self) -> list[bytes]:
        """Look at the file, and deliver; returns what went out."""
        self.read()
        return self.take()

    def crash(self) -> None:
        """End as by a kill: nothing is saved."""
        self.follower._followed.close()
        self.follower.spool.abandon()
        self.state_file.close()

    def end(self) -> None:
        """End as by a signal."""
        self.follower.close()
        self.state_file.close()

"""A follower without a server and without waiting: each look at the file, and each delivery, is called."""

import asyncio
from pathlib import Path

from logboom.clients.collector import CollectorDialect
from logboom.clients.delivery import Policy
from logboom.clients.dialect import Dialect
from logboom.clients.following import Follower, FollowOptions
from logboom.clients.report import Report
from logboom.clients.shipping import Shipper
from logboom.clients.statefile import StateFile
from logboom.clients.target import Target

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

        async def make() -> Follower:
            return Follower(path, self.state_file, self.shipper, options, self._say)

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

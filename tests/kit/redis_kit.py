"""A redis-server for tests, and WebSocket messages in it."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import redis

from logboom.journal.log import Block
from logboom.outputs.redis import RedisOutput, RedisSettings
from logboom.testing.output_kit import FIRST_NS
from logboom.testing.ports import free_port
from tests.kit.block_kit import block

NOW_S: Final = FIRST_NS / 1e9
NOTHING_KEPT: Final = ("--save", "", "--appendonly", "no")


class RedisServer:
    """A redis-server of our own, in a folder of its own; started again, it has what it kept there."""

    def __init__(self, folder: Path, binary: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.options: tuple[str, ...] = NOTHING_KEPT
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        where = ("--port", str(self.port), "--unixsocket", str(self.folder / "s"), "--dir", str(self.folder))
        command = [self._binary, "--bind", "127.0.0.1", *where, *self.options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._process.stdout is not None
        told = []
        for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
            told.append(line)
        raise AssertionError(f"redis-server did not start: {b''.join(told).decode()}")

    def kill(self) -> None:
        """As `kill -9`. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def client(self, database: int = 0) -> Any:
        """A plain client, to look at what is there."""
        return redis.Redis(port=self.port, db=database, decode_responses=True)

    def save(self) -> None:
        """Write a snapshot, which is what it has when it is started again."""
        with self.client() as client:
            client.save()


@contextmanager
def redis_server(binary: str) -> Iterator[RedisServer]:
    """A server that is not started yet; killed, and its folder deleted, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lb"))  # short: the path of a socket has 107 bytes
    server = RedisServer(folder, binary)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


def make_output(url: str, data_dir: Path, **more: Any) -> RedisOutput:
    """An output `o` whose clock stands at the messages' receive time."""
    return RedisOutput(RedisSettings(type="redis", url=url, **more), "o", data_dir, clock=lambda: NOW_S)


def message(number: int, source: str = "whaleon-1", **more: Any) -> bytes:
    """A message as the original sender sends it."""
    entry = {"timestamp": "2024-01-01T12:00:00", "message": f"m{number}", "source": source, "type": "log"}
    return json.dumps({**entry, **more}).encode()


http_block = partial(block, listener="http", apart_s=0)
"""Messages as they come from the journal, all received at `NOW_S`."""


def messages(first: int, end: int) -> Block:
    """Messages that are numbered by their sequences."""
    return http_block(*map(message, range(first, end)), first=first)


def everything(client: Any) -> dict[str, Any]:
    """All keys and values, besides the positions; lists are in their order."""
    read = {"hash": client.hgetall, "list": lambda key: client.lrange(key, 0, -1)}
    keys = [key for key in client.scan_iter(count=1000) if not key.startswith("logboom:")]
    return {key: read[client.type(key)](key) for key in sorted(keys)}

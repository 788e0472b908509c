"""A PostgreSQL server for tests: its own folder and port, gone afterwards."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from logboom.journal.log import Block
from logboom.outputs.postgres import PostgresOutput, PostgresSettings
from logboom.testing.ports import free_port
from tests.kit.block_kit import block

PASSWORD: Final = "p@ss/w?rd#1"
"""Needs escapes in a URL, and is never to be seen in an error."""

QUOTED: Final = "p%40ss%2Fw%3Frd%231"

FAST: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=4GB")
"""A test's server may lose everything when the machine does."""


class PostgresServer:
    """A server of our own. Stopped and started again, it has everything it had.

    Args:
        folder: where it keeps its data; made over to the user that runs it.
        binaries: the folder of `initdb`, `pg_ctl` and `postgres`.
        options: settings, each `name=value`.
    """

    def __init__(self, folder: Path, binaries: Path, options: tuple[str, ...] = FAST) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"postgresql://logboom:{QUOTED}@127.0.0.1:{self.port}/postgres"
        self._binaries = binaries
        self._running = False
        self._options = options
        self._user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root

    def start(self) -> None:
        """Returns when it answers. Idempotent."""
        if self._running:
            return
        if not (self.folder / "data").exists():
            self._create()
        settings = (
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
        )
        options = " ".join(f"-c {setting}" for setting in (*settings, *self._options))
        log = ("-l", str(self.folder / "log"))
        self._running = True
        self._run("pg_ctl", "start", "-w", "-D", str(self.folder / "data"), *log, "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` as a crash does, `fast` in order. Idempotent."""
        if self._running:
            self._running = False
            self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.folder / "data"))

    def query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement on a connection of its own; its rows."""
        return asyncio.run(self._query(text, values))

    async def _query(self, text: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            if ";" in text and not values:  # several statements: no rows are wanted
                await connection.execute(text)
                return []
            return [tuple(row) for row in await connection.fetch(text, *values)]
        finally:
            await connection.close()

    def _create(self) -> None:
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        password.chmod(0o644)  # its folder is for the owner alone
        how = ("-A", "scram-sha-256", "-U", "logboom", f"--pwfile={password}")
        self._run("initdb", "-N", "-E", "UTF8", "--locale=C", *how, "-D", str(self.folder / "data"))

    def _run(self, program: str, *arguments: str) -> None:
        """Output goes to a file: a server that stays would keep a pipe open."""
        with tempfile.TemporaryFile() as told:
            command = [str(self._binaries / program), *arguments]
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                cwd=self.folder,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else (),
            )
            told.seek(0)
            assert done.returncode == 0, f"{program}: {told.read().decode()}"


def find_binaries() -> Path | None:
    """The newest PostgreSQL server's programs on this machine: in the PATH, or where Debian puts them."""
    found = shutil.which("pg_ctl")
    if found is not None and Path(found).resolve().with_name("initdb").exists():
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    versions = [
        folder for folder in folders if folder.parent.name.isdecimal() and (folder / "initdb").exists()
    ]
    return max(versions, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def postgres_server(binaries: Path, options: tuple[str, ...] = FAST) -> Iterator[PostgresServer]:
    """A server that is not started yet; stopped, and its folder deleted, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lb"))  # short: the path of a socket has 107 bytes
    server = PostgresServer(folder, binaries, options)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def make_output(url: str, data_dir: Path, **more: Any) -> PostgresOutput:
    """An output `o`; settings, `clock` or `timer` by keyword."""
    injected = {key: more.pop(key) for key in ("clock", "timer") if key in more}
    return PostgresOutput(PostgresSettings(type="postgres", url=url, **more), "o", data_dir, **injected)


def reading(number: int) -> bytes:
    """A reading as gateways send it, one per minute."""
    moment = f"2025-10-02 {number // 60 % 24:02d}:{number % 60:02d}:37"
    text = f'{{"id":"e4643048d7292c2e","time":"{moment}","temp":{number % 40}.10,"rh":50.50,"lux":254.0}}'
    return text.encode()


def readings(first: int, end: int) -> Block:
    """Readings that are numbered by their sequences."""
    return block(*map(reading, range(first, end)), first=first)

"""Clients for Node.js: `tests/clients/node/driver.mjs` runs one of them, and reports what it counts as delivered."""

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.kit.services import find_program, give_up

FOLDER: Final = Path(__file__).parents[1] / "clients" / "node"
END_S_MAX: Final = 20.0


def node_command(script: str) -> list[str]:
    """Return the command that runs a script of `FOLDER`; without Node.js or the packages, see `give_up`."""
    program = find_program("node", "nodejs")
    if not (FOLDER / "node_modules" / ".package-lock.json").exists():
        give_up("the packages for Node.js are not installed; `make clients` does it with npm")
    return [program, str(FOLDER / script)]


class NodeClient:
    """One client, in a process of its own.

    Args:
        name: of its file in `FOLDER`, without the ending.
        port: of the server on 127.0.0.1.
    """

    def __init__(self, name: str, port: int) -> None:
        self._process = subprocess.Popen(
            [*node_command("driver.mjs"), name, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def deliver(self, entries: list[dict[str, str]]) -> bool:
        """Send entries; returns True if the client reports all of them as delivered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(entries) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the client has ended"
        return answer == "true\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate(timeout=END_S_MAX)

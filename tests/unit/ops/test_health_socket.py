"""The socket that `logboom health` asks."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logboom.ops.health_client import ask
from logboom.ops.health_socket import HealthSocket

LIMIT_S = 30.0


class World:
    """A socket in a folder, what it told the log, and what went wrong on the event loop."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.told: list[str] = []
        self.errors: list[BaseException] = []

    def answer(self, document: Callable[[], dict[str, Any]]) -> bytes | None:
        """What one who asks gets; None: there is nobody to be asked."""
        return asyncio.run(self._answer(document))

    async def _answer(self, document: Callable[[], dict[str, Any]]) -> bytes | None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.errors.append(context["exception"])
        )
        health = HealthSocket(self.data_dir, document, lambda kind, _: self.told.append(kind))
        await health.start()
        try:
            return await asyncio.to_thread(ask, str(self.data_dir), LIMIT_S)
        except FileNotFoundError:
            return None
        finally:
            health.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_who_asks_gets_the_document_and_the_end(world: World) -> None:
    assert world.answer(lambda: {"status": "ok"}) == b'{"status": "ok"}'
    assert list(world.data_dir.iterdir()) == []
    assert (world.told, world.errors) == ([], [])


def test_a_document_that_can_not_be_made_leaves_nobody_waiting(world: World) -> None:
    def fail() -> dict[str, Any]:
        raise LookupError("no such thing")

    assert world.answer(fail) == b""
    assert [type(error) for error in world.errors] == [LookupError]


def test_a_socket_that_can_not_be_set_up_leaves_no_file_to_be_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    assert world.answer(dict) is None
    assert list(world.data_dir.iterdir()) == []
    assert world.told == ["warning"]

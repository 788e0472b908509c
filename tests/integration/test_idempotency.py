"""`Idempotency-Key`: a body that is sent again after a lost answer is stored once, also over kill -9."""

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import journal_lines

BODY = b'{"message":"one"}\n{"message":"two"}\n{"message":"one"}\n'


@pytest.fixture
def server(tmp_path: Path) -> Any:
    server = ServerProcess(tmp_path / "data", ("http",)).start()
    yield server
    server.stop()


def post(server: ServerProcess, body: bytes, key: str | None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/x-ndjson"} | ({"Idempotency-Key": key} if key is not None else {})
    request = Request(f"http://127.0.0.1:{server.ports['http']}/api/entries", body, headers)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, error.read().decode()


def messages(server: ServerProcess) -> list[str]:
    return [json.loads(line)["entry"]["message"] for line in journal_lines(server.data_dir)]


def test_a_repeat_is_answered_as_stored_and_stored_once(server: ServerProcess) -> None:
    status, first = post(server, BODY, "a-1")
    assert (status, first["stored"], first["duplicates"]) == (200, 3, 0)
    status, again = post(server, BODY, "a-1")
    assert (status, again["stored"], again["duplicates"], again["refused"]) == (200, 0, 3, 0)
    assert again["entries"] == []
    assert messages(server) == ["one", "two", "one"]


def test_a_repeat_after_kill_9_is_stored_once(server: ServerProcess) -> None:
    post(server, BODY, "a-1")
    server.kill()
    server.start()
    status, again = post(server, BODY + b'{"message":"three"}\n', "a-1")
    assert (status, again["stored"], again["duplicates"]) == (200, 1, 3)
    server.stop()
    server.start()
    assert post(server, BODY, "a-1")[1]["duplicates"] == 3
    assert messages(server) == ["one", "two", "one", "three"]


def test_another_key_or_none_stores_again(server: ServerProcess) -> None:
    for key in ("a-1", "a-2", None, None):
        assert post(server, b'{"message":"tick"}', key)[1]["stored"] == 1
    assert messages(server) == ["tick"] * 4


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_cannot_be_kept_is_refused(server: ServerProcess, key: str) -> None:
    status, text = post(server, BODY, key)
    assert status == 400
    assert "Idempotency-Key" in text
    assert messages(server) == []


def test_keyed_entries_are_read_searched_and_exported_like_others(server: ServerProcess) -> None:
    post(server, BODY, "a-1")
    url = f"http://127.0.0.1:{server.ports['http']}"
    with urlopen(f"{url}/api/entries?q=two&source=127.0.0.1&listener=http", timeout=30) as answer:
        [found] = json.load(answer)["entries"]
    assert found["message"] == "two"
    with urlopen(f"{url}/api/export.jsonl", timeout=30) as answer:
        assert [json.loads(line)["entry"]["message"] for line in answer] == ["one", "two", "one"]

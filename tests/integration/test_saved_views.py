"""`/api/views`: views of the page for all users, which outlive the server."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from logboom.ops.saved_views import FILE_NAME, VIEWS_MAX
from logboom.testing.server_kit import ServerProcess

WAIT_S: Final = 20.0
ERRORS: Final = {"name": "errors", "address": "#/search?q=level%3Aerror&since=24h"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", ("http",)) as process:
        yield process


def ask(
    server: ServerProcess, method: str, body: object = None, path: str = ""
) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.ports['http']}/api/views{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_views_are_saved_replaced_and_removed_and_outlive_a_crash(server: ServerProcess) -> None:
    other = {"name": ' Pump "2" <b> ', "address": "#/charts?source=pump"}
    assert ask(server, "GET") == (200, {"views": [], "views_max": VIEWS_MAX})
    assert ask(server, "PUT", ERRORS)[0] == 200
    assert ask(server, "PUT", other)[0] == 200
    assert ask(server, "PUT", {**ERRORS, "address": "#/live"})[0] == 200
    server.kill()
    server.start()
    views = [
        {"name": 'Pump "2" <b>', "address": "#/charts?source=pump"},
        {"name": "errors", "address": "#/live"},
    ]
    assert ask(server, "GET")[1]["views"] == views
    assert ask(server, "DELETE", path=f"?view={quote(views[0]['name'])}") == (
        200,
        {"views": views[1:], "views_max": VIEWS_MAX},
    )
    assert ask(server, "DELETE", path="?view=nothing")[0] == ask(server, "DELETE", path="?view=")[0] == 404
    assert ask(server, "DELETE")[0] == 400


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "a line's end\n"}, "name"),
        ({"name": "\x85next line"}, "name"),
        ({"address": "https://elsewhere.example/#/search"}, "address"),
        ({"address": "javascript:alert(1)"}, "address"),
        ({"address": "#/search?q=" + "x" * 8192}, "address"),
        ({"address": "#/search?q=a b"}, "address"),
    ],
)
def test_a_wrong_view_is_refused_with_a_reason(
    server: ServerProcess, changes: dict[str, str], parameter: str
) -> None:
    status, answer = ask(server, "PUT", {**ERRORS, **changes})
    assert (status, answer["parameter"]) == (400, parameter)
    assert ask(server, "PUT", [ERRORS])[0] == 400
    assert ask(server, "GET")[1]["views"] == []


def test_there_is_a_limit_and_a_file_that_can_not_be_read_is_kept(tmp_path: Path) -> None:
    views = {f"view {number}": "#/live" for number in range(VIEWS_MAX)}
    path = tmp_path / "data" / FILE_NAME
    path.parent.mkdir()
    path.write_text(json.dumps({"version": 1, "views": views}))
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        status, answer = ask(server, "PUT", ERRORS)
        assert (status, answer["error"]) == (503, "200 views are saved: remove one first")
        assert ask(server, "PUT", {"name": "view 7", "address": "#/sql"})[0] == 200
    path.write_text(json.dumps({"version": 2, "views": views}))
    with ServerProcess(tmp_path / "data", ("http",)) as server:
        status, answer = ask(server, "PUT", ERRORS)
        assert status == 503
        assert "can't be changed until saved-views.json can be read" in answer["error"]
    assert json.loads(path.read_text())["version"] == 2

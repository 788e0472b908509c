"""The API's description is true: schemathesis makes up requests from it, and holds each answer against it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from logboom.pipeline.tokens import add_token
from tests.kit.app_thread import AppThread
from tests.kit.services import give_up

CONFIG = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 408, 409, 411, 413, 415, 422, 428, 429, 431]
"""
"""A body that is too long is also refused by its length, which schemathesis does not expect by itself."""

RUN = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
OPTIONS = [
    *("--checks", "all", "--phases", "coverage,fuzzing", "--max-examples", "2", "--seed", "1"),
    *("--request-timeout", "1", "--no-color"),
    *(
        "--exclude-path",
        "/api/sql",
    ),  # most texts are no SQL, which a schema can't say; test_sql_api has its answers
]
"""All checks, each operation's corner cases, and a few requests of chance, always the same."""


@pytest.mark.service
def test_each_answer_is_described(tmp_path: Path) -> None:
    if importlib.util.find_spec("schemathesis") is None:
        give_up("there is no schemathesis; requirements/test.txt has it")
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    token = add_token(data_dir / "tokens.json", "one", ("admin",))
    shown = ["--header", f"Authorization: Bearer {token}"]
    with AppThread(data_dir, ("http",), settings={"listeners": {"http": {"auth": "token"}}}) as app:
        url = f"http://127.0.0.1:{app.port('http')}/api/openapi.json"
        done = subprocess.run(
            [sys.executable, "-c", RUN, "--config-file", str(config), "run", url, *OPTIONS, *shown],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert "💥" not in app.log.getvalue()

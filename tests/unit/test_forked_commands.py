"""Commands that are forked for the tests behave as those that start as interpreters."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.forked_commands import _USUAL, ForkedCommands, _execute_child

VERSION = [sys.executable, "-m", "logboom", "--version"]


@pytest.fixture(scope="module")
def commands() -> Iterator[ForkedCommands]:
    commands = ForkedCommands()
    yield commands
    commands.remove()


@pytest.fixture(params=["interpreter", "forked"])
def run(request: pytest.FixtureRequest, commands: ForkedCommands) -> Iterator[Any]:
    """Run a command to its end, both ways."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "_execute_child", _execute_child)
        if request.param == "forked":
            commands.install()
        yield lambda words, **named: subprocess.run(
            [sys.executable, "-m", "logboom", *words], capture_output=True, check=False, **named
        )


def test_output_and_exit_code(run: Any) -> None:
    assert run(["--version"]).stdout.startswith(b"logboom ")
    done = run(["serve", "--only", "nonsense"])
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nonsense" in done.stderr


def test_the_folder_and_the_variables(run: Any, tmp_path: Path) -> None:
    (tmp_path / "logboom.toml").write_text("nonsense = 1\n")
    done = run(["config", "show"], cwd=tmp_path)
    assert done.returncode == 1
    assert b"nonsense" in done.stderr
    shown = run(["config", "show"], env={**os.environ, "LOGBOOM_DATA_DIR": "/of/the/variable"})
    assert b"/of/the/variable" in shown.stdout


def test_arguments_that_are_no_text(run: Any) -> None:
    done = run(["config", "check", b"\xff.toml"])
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr


def test_standard_input_and_a_process_group_of_its_own(run: Any) -> None:
    done = run(["send", "-", "--to", "nonsense://"], input=b"{}\n", start_new_session=True)
    assert done.returncode != 0
    assert b"nonsense" in done.stderr


@pytest.mark.parametrize("variables", [{"PYTHONUTF8": "0"}, {"LC_ALL": "POSIX"}], ids=str)
def test_what_python_reads_at_its_start_starts_an_interpreter(
    commands: ForkedCommands, variables: dict[str, str]
) -> None:
    asked = {**_USUAL, "args": VERSION, "cwd": None, "start_new_session": False}
    assert commands.request_of(asked | {"env": None}) is not None
    assert commands.request_of(asked | {"env": {**os.environ, **variables}}) is None
    assert commands.request_of(asked | {"env": None, "args": [sys.executable, "-X", "dev"]}) is None

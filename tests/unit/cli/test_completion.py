"""Completion in a shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom.cli import app

BIN = Path(sys.executable).parent


def completed(words: str, *, cwd: Path) -> list[str]:
    """Load the script into a real bash, and let it complete the last word."""
    script = f"""
eval "$(logboom completion bash)"
COMP_WORDS=({words}); [[ {words!r} == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_logboom_completion logboom
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(cwd)}
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=cwd,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("logboom se", ["serve", "send"]),
        ("logboom simulate ", ["device", "sensor", "app"]),
        ("logboom tail --le", ["--level"]),
        ("logboom tail --level err", ["error"]),
        ("logboom serve --profile ord", ["ordered"]),
        ("logboom send --as c", ["collector", "capnp"]),
        ("logboom export --format j", ["jsonl"]),
    ],
)
def test_bash_completes_commands_options_and_values(words: str, found: list[str], tmp_path: Path) -> None:
    assert completed(words, cwd=tmp_path) == found
    assert list(tmp_path.iterdir()) == []  # no file of the user is written


@pytest.mark.parametrize(
    ("shell", "marks"), [("zsh", "#compdef logboom"), ("fish", "complete --command logboom")]
)
def test_other_shells_have_their_script(shell: str, marks: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "logboom", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert marks in done.stdout
    assert "_LOGBOOM_COMPLETE" in done.stdout


def test_an_unknown_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["completion", "ksh"]).exit_code == 2

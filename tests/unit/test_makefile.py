"""`make`: an environment per interpreter, made again when the interpreter has changed, and a clear word to old ones."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

INTERPRETER = """#!/bin/sh
case "$2" in *'sys.exit(sys.version_info'*) exit {old} ;; *version_info*) echo {version}; exit ;; esac
exit 1
"""
"""Enough of a Python to be asked for its version."""

WHAT_MAKE_EXPORTS = {"PYTHON", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "WORKERS", "ARGS", "VENV"}


FILES = (
    "Makefile",
    "pyproject.toml",
    "requirements/run.txt",
    "requirements/test.txt",
    "web-assets/package-lock.json",
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The files that the environment is made of, and interpreters beside them."""
    if shutil.which("make") is None:
        pytest.skip("there is no make; Debian has it in the package make")
    folder = tmp_path / "repository"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for version, old in (("3.9", 1), ("3.11", 0), ("3.12", 0), ("3.13", 0)):
        path = tmp_path / f"python{version}"
        path.write_text(INTERPRETER.format(version=version, old=old))
        path.chmod(0o755)
    (tmp_path / "python3").symlink_to(tmp_path / "python3.11")
    return folder


def make(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if name not in WHAT_MAKE_EXPORTS}
    path = f"{folder.parent}{os.pathsep}{inherited['PATH']}"
    return subprocess.run(
        ("make", "--no-print-directory", *words),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**inherited, "PATH": path, **variables},
    )


def planned(folder: Path, *words: str, **variables: str) -> str:
    """What `make test` would run."""
    done = make(folder, "-n", "test", *words, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def place_of_the_tests(folder: Path, *words: str, **variables: str) -> str:
    """The environment whose interpreter would run the tests."""
    lines = planned(folder, *words, **variables).splitlines()
    [line] = [line for line in lines if "-m pytest" in line]
    return line.split()[1].removesuffix("/bin/python")


def test_each_interpreter_has_an_environment_of_its_own(repository: Path) -> None:
    assert place_of_the_tests(repository) == ".venv"
    assert place_of_the_tests(repository, "PYTHON=python3.12") == ".venv-3.12"
    assert place_of_the_tests(repository, PYTHON="python3.13") == ".venv-3.13"


def stamp(folder: Path, environment: str, version: str) -> None:
    """What a finished environment looks like to make."""
    lib = folder / environment / "lib" / f"python{version}"
    lib.mkdir(parents=True)
    for name in (".run", ".test"):
        (lib / name).touch()


def test_a_finished_environment_is_used_as_it_is(repository: Path) -> None:
    stamp(repository, ".venv", "3.11")
    stamp(repository, ".venv-3.12", "3.12")
    for words in ((), ("PYTHON=python3.12",)):
        assert "pip" not in planned(repository, *words)


def test_the_environment_of_an_interpreter_that_was_replaced_is_made_again(repository: Path) -> None:
    stamp(repository, ".venv", "3.10")
    made = planned(repository)
    assert "-m venv --clear .venv" in made
    assert "--require-hashes -r requirements/run.txt" in made


@pytest.mark.parametrize(("python", "version"), [("python3.9", "3.9"), ("python3.99", "not there")])
def test_an_interpreter_that_is_too_old_or_missing_is_named(
    repository: Path, python: str, version: str
) -> None:
    done = make(repository, "run", f"PYTHON={python}")
    assert done.returncode == 2
    advice = "Another one: make run PYTHON=python3.12"
    assert done.stdout == f"Logboom needs Python 3.11 or newer; {python} is {version}. {advice}\n"
    assert not list(repository.glob(".venv*"))

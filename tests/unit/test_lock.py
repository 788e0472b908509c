"""The hashed lock files hold for every interpreter, not only for the one that made them."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.kit.packages import closure, environment, holds

ROOT = Path(__file__).parents[2]
LOCKS = ("plain.txt", "run.txt", "test.txt")
VERSIONS = ("3.11.0", "3.11.2", "3.11.9", "3.12.1", "3.13.0", "3.14.0")


def locked(name: str) -> dict[str, Requirement]:
    """The requirements of a lock file, by canonical name."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition("--hash")[0] for line in text.splitlines() if line[:1].isalnum()]
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_lock_has_whatever_the_server_wants_on_an_interpreter(version: str) -> None:
    where = environment(version)
    have = {name for name, one in locked("run.txt").items() if holds(one, where)}
    wanted = closure([Requirement("logboom[all]")], where)
    assert {"aiohttp", "redis", "grpcio"} <= wanted.keys()
    assert wanted.keys() - have == {"logboom"}
    have = {name for name, one in locked("plain.txt").items() if holds(one, where)}
    wanted = closure([Requirement("logboom[server]")], where)
    assert wanted.keys() - have == {"logboom"}
    assert not {"redis", "grpcio", "apprise", "pycapnp", "uvloop"} & have


@pytest.mark.parametrize("version", VERSIONS)
def test_the_locks_have_whatever_the_tests_want_on_an_interpreter(version: str) -> None:
    where = environment(version)
    have = {name for file in LOCKS for name, one in locked(file).items() if holds(one, where)}
    text = (ROOT / "requirements" / "test.in").read_text(encoding="utf-8")
    wanted = closure([Requirement(line) for line in text.split()], where)
    assert {"pytest", "hypothesis", "schemathesis"} <= wanted.keys()
    # No lock names the installer itself: each environment has its own.
    assert wanted.keys() - have <= {"pip"}


@pytest.mark.parametrize("file", LOCKS)
def test_every_locked_package_has_one_version_and_hashes(file: str) -> None:
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line[:1].isalnum()]
    assert len(lines) > 20
    assert not [
        line for line in lines if not re.match(r"[\w.-]+(\[\w+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ]


@pytest.mark.parametrize("file", LOCKS)
def test_a_lock_names_no_index_and_no_path_of_a_machine(file: str) -> None:
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
    assert not re.search(
        r"https?://|file:|--(extra-)?index|--find-links|(?:^|[\s\"'])/\w", text, re.MULTILINE
    )


@pytest.mark.parametrize("file", LOCKS)
def test_all_locks_have_the_same_versions(file: str) -> None:
    run, other = locked("run.txt"), locked(file)
    assert {name: str(run[name].specifier) for name in run.keys() & other.keys()} == {
        name: str(other[name].specifier) for name in run.keys() & other.keys()
    }

"""Hosted CI runs what any other machine runs, on each Python that the package names."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["test", "coverage"])
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with apprise")
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    found: dict[str, Any] = jobs[request.param]
    return found


@pytest.mark.parametrize("job", ["test"], indirect=True)
def test_every_supported_python_is_tested(job: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    pythons = job["strategy"]["matrix"]["python"]
    assert f">={pythons[0]}" == project["requires-python"]
    assert set(named) <= set(pythons)


def test_it_runs_the_same_script_without_secrets(job: dict[str, Any]) -> None:
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert len(commands) == 1
    assert ".ci/run" in commands[0]
    assert "secrets" not in (ROOT / ".github/workflows/ci.yml").read_text()


def test_actions_have_a_version(job: dict[str, Any]) -> None:
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)

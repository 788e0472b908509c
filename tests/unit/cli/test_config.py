"""`logboom config check` and `logboom config show`."""

import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom import cli
from logboom.cli import app, main
from logboom.cli.config import to_toml
from logboom.config import load


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def test_check_says_good(runner: CliRunner) -> None:
    result = runner.invoke(app, ["config", "check"])
    assert result.exit_code == 0
    assert result.stdout.startswith("✅ good: ")


def test_check_reads_the_file_and_the_profile(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[listeners.roof]\nprotocol = 'gateway'\nport = 6001\n")
    result = runner.invoke(app, ["config", "check", "--config", str(file), "--profile", "device"])
    assert result.exit_code == 0
    assert "1 listeners, 1 outputs" in result.stdout


def test_show_keeps_secrets_to_itself(runner: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(
        "[outputs.r]\ntype = 'redis'\nurl = 'redis://u:geheim@h'\n[alerts]\nnotify = ['slack://geheim/b/c']\n"
    )
    result = runner.invoke(app, ["config", "show", "--config", str(file)])
    assert result.exit_code == 0
    assert "geheim" not in result.stdout
    assert tomllib.loads(result.stdout)["outputs"]["r"]["url"] == "redis://***@h"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("[listeners.device]\nport = 'x'\n", "listeners.device.port: found 'x'"),
        ("[outputs.x]\ntype = 'nope'\n", "outputs.x.type: found 'nope', expected one of"),
        ("[outputs.x]\ntype = 'jsonl'\npaht = 'x'\n", "outputs.x.paht: unknown setting"),
        ("nonsense", "is not TOML"),
        (
            '[outputs.plant]\ntype = "text"\npath = "p"\nfilter = "pump temp:>x"',
            "outputs.plant.filter: the query, at character 12, before 'x': expected a number after \">\"",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
    part: str,
) -> None:
    file = tmp_path / "x.toml"
    file.write_text(content)
    monkeypatch.setattr(sys, "argv", ["logboom", "config", "check", "-c", str(file)])
    with pytest.raises(SystemExit, match=r"^1$"):
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("❌ ")
    assert part in line


def test_show_is_toml_that_brings_the_same_settings(runner: CliRunner, tmp_path: Path) -> None:
    environment = {"LOGBOOM_LISTENERS__DEVICE__PORT": "5999", "MIN_LOG_LEVEL": "ERROR"}
    shown = runner.invoke(app, ["config", "show", "--profile", "collector"], env=environment)
    assert shown.exit_code == 0
    table = tomllib.loads(shown.stdout)
    assert table["listeners"]["device"]["port"] == 5999
    assert table["listeners"]["collector"]["level_min"] == "ERROR"
    file = tmp_path / "shown.toml"
    file.write_text(shown.stdout)
    assert load(file=file, environment={}) == load(profile="collector", environment=environment)


def test_toml_of_odd_values() -> None:
    table: dict[str, object] = {
        "a": 'quote " and \\ and é\n',
        "b": [1, "x"],
        "c": {"d": True, "e": {"f": 1.5}},
    }
    assert tomllib.loads(to_toml(table)) == table


def test_no_command_shows_the_help(runner: CliRunner) -> None:
    result = runner.invoke(cli.app, ["config"])
    assert "check" in result.output
    assert "show" in result.output

"""The generated reference is up to date and complete."""

from pathlib import Path

import aiohttp
import pytest
import typer
from openapi_spec_validator import validate
from typer.testing import CliRunner

from logboom.cli import app
from logboom.cli.reference import command_line_page
from logboom.web.openapi import openapi_document
from logboom.web.routes import ROUTES
from tests.kit.app_kit import port_of, run_scenario, running_app

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_are_what_make_docs_writes() -> None:
    done = CliRunner().invoke(app, ["docs", "--check", str(DOCS)])
    assert done.exit_code == 0, done.output


def test_a_stale_page_is_found_and_written_anew(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["docs", "--check", str(tmp_path)]).exit_code == 1
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(app, ["docs", str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(app, ["docs", "--check", str(tmp_path)]).exit_code == 0
    assert {path.name for path in (tmp_path / "reference").iterdir()} == {
        "command-line.md",
        "http-api.md",
        "metrics.md",
        "openapi.json",
        "settings.md",
    }


def test_the_document_is_openapi() -> None:
    validate(openapi_document(ROUTES, "1.2.3"))


@pytest.mark.parametrize("health_only", [False, True])
def test_a_server_tells_what_it_serves(tmp_path: Path, health_only: bool) -> None:
    async def scenario() -> None:
        async with (
            running_app(tmp_path, health_only=health_only) as server,
            aiohttp.ClientSession() as session,
        ):
            base = f"http://127.0.0.1:{port_of(server)}"
            async with session.get(f"{base}/api/openapi.json") as answer:
                assert answer.status == 200
                document = await answer.json()
            validate(document)
            assert document["info"]["version"]
            assert ("/api/entries" in document["paths"]) is not health_only
            for path, methods in document["paths"].items():
                for method in methods:
                    async with session.request(
                        method, base + path.format(form="csv", name="app.js", rule="none")
                    ) as answer:
                        missing = {405} if "{rule}" in path else {404, 405}
                        assert answer.status not in missing, (method, path)
                        described = methods[method]["responses"]
                        assert str(answer.status) in described, (method, path, answer.status)

    run_scenario(scenario())


def test_the_whole_site_is_in_the_reference(tmp_path: Path) -> None:
    async def scenario() -> set[str]:
        async with (
            running_app(tmp_path) as server,
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port_of(server)}/api/openapi.json") as answer,
        ):
            return set((await answer.json())["paths"])

    assert run_scenario(scenario()) == set(openapi_document(ROUTES, "1")["paths"])


def test_every_command_and_option_is_in_the_reference() -> None:
    page = command_line_page()
    group = typer.main.get_command(app)
    commands = [
        inner
        for command in group.commands.values()  # type: ignore[attr-defined]
        if not command.hidden
        for inner in getattr(command, "commands", {"": command}).values()
    ]
    assert len(commands) > 15
    for command in commands:
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or f"`{parameter.opts[0]}`" in page
    assert page.count("Exit codes") >= 12


def test_tokens_are_described_where_they_are_asked_for() -> None:
    def secured(*, asks_for_tokens: bool | None) -> list[object]:
        document = openapi_document(ROUTES, "1", asks_for_tokens=asks_for_tokens)
        found: list[object] = document["paths"]["/api/status"]["get"].get("security", [])
        return found

    ways: list[object] = [{"token": []}, {"password": []}, {"cookie": []}]
    assert secured(asks_for_tokens=True) == ways
    assert secured(asks_for_tokens=False) == []
    assert secured(asks_for_tokens=None) == [*ways, {}]


def test_bounds_are_those_of_the_queries() -> None:
    paths = openapi_document(ROUTES, "1")["paths"]

    def schema(path: str, name: str) -> dict[str, object]:
        parameters = paths[path]["get"]["parameters"]
        found: dict[str, object] = next(one["schema"] for one in parameters if one["name"] == name)
        return found

    assert schema("/api/entries", "limit") == {
        "type": "integer",
        "minimum": 1,
        "maximum": 10_000,
        "default": 100,
    }
    assert schema("/api/sources", "limit")["maximum"] == 1000
    assert schema("/api/entries", "format")["enum"] == ["json", "jsonl", "csv"]
    assert schema("/api/series", "field")["maxItems"] == 8
    refused = paths["/api/entries"]["post"]["responses"].keys()
    assert {"200", "207", "400", "401", "403", "408", "413", "415", "429", "500", "503"} == set(refused)

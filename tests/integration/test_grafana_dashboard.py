"""Every query of the shipped dashboard of entries, as Grafana asks it, against a running server."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from logboom.testing.server_kit import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "entries.json").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
LIMIT_S = 30
BEGIN = int(time.time()) // 60 * 60 - 600
SENT = (
    ("pump.1", "info", "pump started"),
    ("pump.1", "error", "valve stuck at 87 %"),
    ("pump.1", "warn", "valve slow"),
    ("fan (old)", "critical", "fan stopped"),
    ("fan (old)", "debug", 'says "no" \\ yes'),
    ("fänger", "", "no level"),
)
"""Source, level and message of the entries, one per minute from `BEGIN`."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    entries = [
        {"time": (BEGIN + 60 * minute) * 10**9, "source": source, "message": text}
        | ({"level": level} if level else {})
        for minute, (source, level, text) in enumerate(SENT)
    ]
    with ServerProcess(tmp_path_factory.mktemp("grafana") / "data", ("http", "loki")) as running:
        body = "\n".join(map(json.dumps, entries)).encode()
        url = f"http://127.0.0.1:{running.ports['http']}/api/entries"
        with urlopen(Request(url, body, {"Content-Type": "application/x-ndjson"}), timeout=LIMIT_S) as answer:
            assert json.load(answer)["stored"] == len(SENT)
        yield running


def ask(server: ServerProcess, path: str, **query: Any) -> Any:
    """The data that a path of Loki's API answers with."""
    url = f"http://127.0.0.1:{server.ports['http']}/loki/api/v1/{path}?{urlencode(query)}"
    with urlopen(url, timeout=LIMIT_S) as answer:
        found = json.load(answer)
    assert found["status"] == "success"
    assert "warnings" not in found, found["warnings"]
    return found["data"]


def escaped(value: str) -> str:
    """A value of a variable that several can be chosen of, as Grafana's Loki source writes it into a query."""
    return re.sub(r"[\\^$.*+?()[\]{}|/]", r"\\\\\g<0>", value).replace('"', '\\\\"')


def filled(expression: str, text: str = "", **chosen: list[str]) -> str:
    """An expression with Grafana's variables replaced; `All` is what the dashboard says."""
    for name in ("listener", "source"):
        values = chosen.get(name)
        value = "|".join(map(escaped, values)) if values else VARIABLES[name]["allValue"]
        expression = expression.replace(f"${name}", value)
    return expression.replace("$text", text).replace("$__auto", "1m")


def answer_to(server: ServerProcess, panel: dict[str, Any], text: str = "", **chosen: list[str]) -> Any:
    """What a panel's only query is answered with, over the time of the entries."""
    [target] = panel["targets"]
    assert target["queryType"] == "range"
    return ask(
        server,
        "query_range",
        query=filled(target["expr"], text, **chosen),
        start=BEGIN * 10**9,
        end=(BEGIN + 600) * 10**9,
        step="1m0s",
        limit=target.get("maxLines", 1000),
        direction="backward",
    )


def summed(data: Any, panel: dict[str, Any]) -> dict[str, float]:
    """The sum of the values of each series, by the label that the panel's legend shows; it has no other."""
    assert data["resultType"] == "matrix"
    [label] = re.fullmatch(r"\{\{(\w+)\}\}", panel["targets"][0]["legendFormat"]).groups()  # type: ignore[union-attr]
    found = {}
    for series in data["result"]:
        assert series["metric"].keys() <= {label}
        assert all(BEGIN <= at <= BEGIN + 600 for at, _ in series["values"])
        found[series["metric"].get(label, "")] = sum(float(value) for _, value in series["values"])
    return found


def shown(data: Any) -> list[tuple[str, str, str]]:
    """Source, level and line of each entry that a panel shows, in order."""
    assert data["resultType"] == "streams"
    rows = [
        (int(at), stream["stream"].get("source", ""), stream["stream"].get("level", ""), line)
        for stream in data["result"]
        for at, line, *_ in stream["values"]
    ]
    return [row[1:] for row in sorted(rows)]


def named(level: str) -> str:
    return {"warn": "warning"}.get(level, level)


def test_every_panel_is_looked_at() -> None:
    assert set(PANELS) == {"Entries by level", "Errors per second", "Entries"}
    assert all(len(panel["targets"]) == 1 for panel in PANELS.values())


def test_variables_offer_what_was_received(server: ServerProcess) -> None:
    offered = {
        name: ask(server, f"label/{one['query']['label']}/values", start=BEGIN * 10**9, end=time.time_ns())
        for name, one in VARIABLES.items()
        if one["type"] == "query"
    }
    assert offered == {"listener": ["http"], "source": sorted({source for source, _, _ in SENT})}


def test_entries_by_level(server: ServerProcess) -> None:
    panel = PANELS["Entries by level"]
    assert summed(answer_to(server, panel), panel) == Counter(named(level) for _, level, _ in SENT)
    assert summed(answer_to(server, panel, "valve"), panel) == {"error": 1, "warning": 1}
    fixed = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
    assert fixed == {named(level) for _, level, _ in SENT if level}


def test_errors_per_second(server: ServerProcess) -> None:
    panel = PANELS["Errors per second"]
    expected = {"pump.1": pytest.approx(1 / 60), "fan (old)": pytest.approx(1 / 60)}
    assert summed(answer_to(server, panel), panel) == expected
    assert summed(answer_to(server, panel, listener=["loki"]), panel) == {}


@pytest.mark.parametrize("sources", [["pump.1"], ["fan (old)", "fänger"], ["pump.1", "fan (old)"]])
def test_entries_of_chosen_sources(server: ServerProcess, sources: list[str]) -> None:
    found = shown(answer_to(server, PANELS["Entries"], listener=["http", "loki"], source=sources))
    assert found == [(source, named(level), text) for source, level, text in SENT if source in sources]


@pytest.mark.parametrize("text", ["", "valve", "%", "VALVE"])
def test_entries_with_a_text(server: ServerProcess, text: str) -> None:
    found = shown(answer_to(server, PANELS["Entries"], text))
    assert found == [(source, named(level), line) for source, level, line in SENT if text in line]

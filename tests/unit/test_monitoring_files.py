"""The shipped dashboard and alert rules: they may only speak of metrics that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.cli.docs import metrics_page
from logboom.ops.metric_table import GROUPS, PROCESS
from logboom.query.logql.logql_parser import parse_logql

yaml = pytest.importorskip("yaml", reason="PyYAML reads the rules, and comes with apprise")

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
KINDS = {metric.name: metric.kind for group in GROUPS for metric in group.metrics}
LABELS = {
    metric.name: {*group.labels, *([metric.label] if metric.label else [])}
    for group in GROUPS
    for metric in group.metrics
}
TARGET_LABELS = {"job", "instance"}


def existing() -> set[str]:
    """Every name that can stand in an expression."""
    found = {"up", *PROCESS}
    for name, kind in KINDS.items():
        found |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return found


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in an expression: what stands before a selector, or looks like one of ours."""
    selected = re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*[{\[]", expression)
    return {*selected, *re.findall(r"\b(?:logboom|process)_\w+", expression)}


def selectors_in(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric with the labels that it is selected by."""
    for name, inside in re.findall(r"(\w+)\{([^}]*)\}", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]~?", inside))


def expressions(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("expr"), str):
            yield part["expr"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from expressions(one)


DASHBOARD = json.loads((GRAFANA / "dashboards" / "logboom.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "logboom.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
VARIABLES = [one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]


@pytest.mark.parametrize("expression", [*expressions(DASHBOARD), *VARIABLES, *expressions(RULES)])
def test_an_expression_names_only_metrics_and_labels_that_exist(expression: str) -> None:
    names = metrics_in(expression)
    assert names
    assert names <= existing()
    for name, labels in selectors_in(expression):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert labels <= LABELS.get(base, set()) | TARGET_LABELS


def test_the_dashboards_queries_are_found() -> None:
    assert len(list(expressions(DASHBOARD))) > 30


# --- dashboard ---


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_panels_have_a_place_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_panel_says_what_it_shows_and_asks_the_chosen_source() -> None:
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "state-timeline"
        for target in panel["targets"]:
            assert (
                target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            )
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


def test_source_server_and_listener_can_be_chosen() -> None:
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert set(variables) == {"datasource", "instance", "listener"}
    assert variables["datasource"]["type"] == "datasource"
    assert DASHBOARD["uid"] == "logboom"
    for expression in expressions(DASHBOARD):
        assert 'instance=~"$instance"' in expression
        listener = any(
            "listener" in LABELS.get(name.removesuffix("_bucket"), ()) for name in metrics_in(expression)
        )
        assert ('listener=~"$listener"' in expression) == listener


def test_what_is_demanded_of_the_dashboard_is_there() -> None:
    shown = {name for expression in expressions(DASHBOARD) for name in metrics_in(expression)}
    assert shown >= {
        "logboom_received_entries_total",
        "logboom_refused_entries_total",
        "logboom_ack_latency_seconds_bucket",
        "logboom_journal_commit_duration_seconds_bucket",
        "logboom_connections_open",
        "logboom_journal_size_bytes",
        "logboom_disk_free_bytes",
        "logboom_output_lag_entries",
        "logboom_listener_up",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
    }


def test_provisioning_is_yaml_of_grafanas_form() -> None:
    folder = GRAFANA / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    [provider] = yaml.safe_load((folder / "dashboards" / "logboom.yaml").read_text())["providers"]
    assert source["type"] == "prometheus"
    assert provider["type"] == "file"
    how_to = (ROOT / "docs" / "how-to" / "monitoring.md").read_text()
    assert provider["options"]["path"] in how_to


# --- rules ---


def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert "$labels.instance" in rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".") or rule["annotations"][
            "description"
        ].endswith("?")


def test_every_alert_is_seen_to_fire_and_to_keep_still() -> None:
    tests = yaml.safe_load((PROMETHEUS / "logboom.rules.test.yml").read_text())["tests"]
    seen = [(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test["alert_rule_test"]]
    alerts = {rule["alert"] for rule in RULES}
    assert {name for name, fires in seen if fires} == alerts
    assert {name for name, fires in seen if not fires} == alerts


def test_the_rules_tests_use_series_as_they_are() -> None:
    tests = yaml.safe_load((PROMETHEUS / "logboom.rules.test.yml").read_text())["tests"]
    for series in (one["series"] for test in tests for one in test["input_series"]):
        [(name, labels)] = selectors_in(series)
        assert name in existing()
        base = re.sub(r"_bucket$", "", name)
        if base in LABELS:
            assert labels - TARGET_LABELS - {"le"} == LABELS[base]


def test_the_examples_job_is_the_one_that_rules_and_dashboard_expect() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    [job] = configuration["scrape_configs"]
    assert configuration["rule_files"] == ["logboom.rules.yml"]
    jobs = {
        name
        for text in (*expressions(DASHBOARD), *VARIABLES, *expressions(RULES))
        for name in re.findall(r'job="(\w+)"', text)
    }
    assert jobs == {job["job_name"]}


# --- reference ---


def test_the_reference_page_has_every_metric() -> None:
    page = metrics_page()
    for name in (*KINDS, *PROCESS):
        assert f"| `{name}` |" in page
    assert page == (ROOT / "docs" / "reference" / "metrics.md").read_text()


# --- dashboard of entries ---

ENTRIES = json.loads((GRAFANA / "dashboards" / "entries.json").read_text())


def test_the_queries_of_the_dashboard_of_entries_are_offered() -> None:
    found = list(expressions(ENTRIES))
    assert len(found) == 3
    for expression in found:
        parse_logql(expression.replace("$__auto", "1m"))


def test_the_provisioned_source_has_a_token_where_its_lines_are_uncommented() -> None:
    text = (GRAFANA / "provisioning" / "datasources" / "logboom.yaml").read_text()
    text, changes = re.subn(r"# (?=httpHeader|secureJsonData:|  httpHeader)", "", text)
    assert changes == 3
    [source] = yaml.safe_load(text)["datasources"]
    assert source["jsonData"] == {"maxLines": 1000, "httpHeaderName1": "Authorization"}
    assert source["secureJsonData"] == {"httpHeaderValue1": "Bearer $LOGBOOM_TOKEN"}


def test_the_dashboard_of_entries_uses_the_provisioned_source() -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "logboom.yaml").read_text())[
        "datasources"
    ]
    chosen = ENTRIES["templating"]["list"][0]
    assert (chosen["query"], chosen["current"]["value"]) == (source["type"], source["uid"])

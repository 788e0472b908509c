"""Stages of LogQL that change lines and labels, and the functions of their values."""

import json
import re
from typing import Any

import pytest

from logboom.formats.times import iso_from_ns
from logboom.journal.segments import prefix, suffix
from logboom.model import Record
from logboom.query.logql.evaluation import Evaluation, Moments, Series
from logboom.query.logql.logql_compiler import compile_selection
from logboom.query.logql.logql_parser import parse_logql, parse_selection
from logboom.query.logql.logql_syntax import LineSelection, LogqlError
from logboom.query.logql.pipeline import Passed
from logboom.query.logql.samples import SampleReader
from logboom.query.stream_counter import StreamCounter
from tests.kit.log_kit import MemoryLog

SECOND = 10**6
START_S = 1_796_051_400
"""A multiple of a minute."""


def passed(query: str, message: str, **fields: Any) -> Passed | None:
    """Return an entry after the stages of a query."""
    entry = {"message": message, **fields}
    pipeline = compile_selection(parse_selection(query)).pipeline
    assert pipeline is not None
    moment = "2026-11-30T15:10:00.000000+00:00"
    record = Record(0, moment, moment, "10.0.0.5", "http", "INFO", message, entry)
    return pipeline.run(record, json.dumps(entry).encode())


ACCESS = '10.0.0.7 - bob [30/Nov] "GET /pumps?id=3 HTTP/1.1" 200 1532'


@pytest.mark.parametrize(
    ("stages", "message", "expected"),
    [
        (
            '| pattern `<ip> - <user> [<_>] "<method> <path> <_>" <status> <size>`',
            ACCESS,
            {"ip": "10.0.0.7", "user": "bob", "method": "GET", "path": "/pumps?id=3", "status": "200", "size": "1532"},
        ),
        ("| pattern `<_> took <ms>ms`", "request took 15ms", {"ms": "15"}),
        ("| pattern `x <a>`", "y 1", {}),
        ("| pattern `<a> and <b>`", "no such part", {"a": "no such part"}),
        ("| regexp `took (?P<ms>\\d+)(?P<unit>ms|s)`", "it took 15ms", {"ms": "15", "unit": "ms"}),
        ("| regexp `(?P<a>\\d+)`", "none", {}),
        (
            '| json path="request.url", first="hosts[0]", odd=`["a b"]`',
            '{"request":{"url":"/x"},"hosts":["n","s"],"a b":true}',
            {"path": "/x", "first": "n", "odd": "true"},
        ),
        ('| json gone="no.such"', "{}", {"gone": ""}),
        ('| logfmt ms="took", state', "took=15ms state=ok", {"ms": "15ms", "state": "ok"}),
        ("| logfmt --strict | label_format ms=took", "took=15ms", {"ms": "15ms"}),
        ('| label_format where="{{.source}}/{{ .level | ToUpper }}"', "m", {"where": "10.0.0.5/INFO"}),
    ],
)  # fmt: skip
def test_labels_of_a_line(stages: str, message: str, expected: dict[str, str]) -> None:
    found = passed("{} " + stages, message)
    assert found is not None
    assert found.parsed == expected


@pytest.mark.parametrize(
    ("stages", "message", "line"),
    [
        ('| line_format "{{.source}}: {{__line__}}"', "hot", "10.0.0.5: hot"),
        ('| logfmt | line_format `{{.a | default "none"}} {{ .b | upper | trunc 2 }}`', "b=xyz", "none XY"),
        ('| line_format `{{Replace __line__ "o" "0" -1}}`', "pool", "p00l"),
        ('| line_format `{{ TrimPrefix "pu" (.x) }}`', "", None),
        ('| line_format "{{ .source | substr 0 2 }}{{.no}}|"', "x", "10|"),
        ("| decolorize", "\x1b[31mred\x1b[0m", "red"),
        ('| decolorize |= "red hot"', "\x1b[31mred\x1b[0m hot", "red hot"),
        ('| line_format "a" |~ "^b"', "b", ""),
        ('| line_format "xay" |> "x<_>y" !> "<_>b<_>"', "m", "xay"),
    ],
)
def test_lines(stages: str, message: str, line: str | None) -> None:
    if line is None:
        with pytest.raises(LogqlError, match="unexpected in a template"):
            parse_logql("{} " + stages)
        return
    found = passed("{} " + stages, message)
    assert (found.line if found else "") == line


@pytest.mark.parametrize(
    ("stages", "kept"),
    [
        ("| pattern `<n> bars` | n > 5", True),
        ("| pattern `<n> bars` | n > 7 or level=~`inf.*`", True),
        ("| pattern `<n> bars` | n != 7", False),
        ("| pattern `<n> bars` | n = `7` and source=`10.0.0.5`", True),
        ("| pattern `<n> bars` | no=``", True),
        ("| pattern `<n> bars` | drop n | n=`7`", False),
        ("| pattern `<n> bars` | keep level | source=``", True),
        ("| label_format level=`warn` | level=`warning`", False),
    ],
)
def test_tests_after_a_change(stages: str, kept: bool) -> None:
    assert (passed("{} " + stages, "7 bars") is not None) == kept


def test_a_renamed_label_has_one_name() -> None:
    found = passed("{} | label_format sender=source, big=n", "m", attributes={"n": 3})
    assert found is not None
    assert (found.get("sender"), found.get("source")) == ("10.0.0.5", "")
    assert (found.get("big"), found.get("n")) == ("3", "")


LINES = [
    (0, "north", "took=10ms bytes=1KB"),
    (10, "south", "took=30ms bytes=3KB"),
    (20, "north", "took=20ms bytes=2KB"),
    (70, "north", "took=90ms"),
    (80, "north", "no values"),
]


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    return MemoryLog(
        [
            prefix((START_S + second) * 10**9)
            + json.dumps({"message": message, "labels": {"host": host}}).encode()
            + suffix("10.0.0.1", "http")
            for second, host, message in LINES
        ]
    )


def evaluated(log: MemoryLog, query: str, moments: Moments | None = None) -> Series:
    tree = parse_logql(query)
    assert not isinstance(tree, LineSelection)
    samples, counter = SampleReader(log), StreamCounter(log)

    def limited(asked: Any) -> Any:
        since, until = (iso_from_ns(moment * 1000) for moment in (asked.since, asked.until))
        return asked.wanted._replace(since=since, until=until)

    evaluation = Evaluation(
        moments or Moments(START_S * SECOND + 120 * SECOND, 1, 1),
        lambda asked: counter.count(limited(asked), asked.width, asked.grouping),
        lambda asked, metric: samples.read(metric, limited(asked), asked.width, asked.grouping),
    )
    found = evaluation.value(tree)
    assert isinstance(found, dict)
    return found


def by_host(series: Series) -> dict[str, list[float]]:
    return {
        dict(labels).get("host", ""): [round(value, 6) for value in points.values()]
        for labels, points in series.items()
        if points
    }


SHORT = {"TOOK": "{} | logfmt | unwrap duration(took) [2m]", "COUNT": "sum by (host) (count_over_time({}"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum_over_time(TOOK) by (host)", {"north": [0.12], "south": [0.03]}),
        ("avg_over_time(TOOK) by (host)", {"north": [0.04], "south": [0.03]}),
        ("max by (host) (max_over_time(TOOK) by (host))", {"north": [0.09], "south": [0.03]}),
        ("min_over_time(TOOK) by ()", {"": [0.01]}),
        ("max_over_time(TOOK) without (host, listener, source, bytes)", {"": [0.09]}),
        ("quantile_over_time(0.5, TOOK) by (host)", {"north": [0.02], "south": [0.03]}),
        ("quantile_over_time(0.75, TOOK) by ()", {"": [0.045]}),
        ("first_over_time(TOOK) by ()", {"": [0.01]}),
        ("last_over_time(TOOK) by ()", {"": [0.09]}),
        ("stdvar_over_time({} | pattern `took=<n>ms` | unwrap n [2m]) by ()", {"": [968.75]}),
        ("stddev_over_time({} | pattern `took=<n>ms bytes` | unwrap n [2m]) by ()", {"": [8.164966]}),
        ("sum(sum_over_time({} | logfmt | unwrap bytes(bytes) [2m]))", {"": [6000.0]}),
        ("rate({} | pattern `took=<n>ms<_>` | unwrap n | host=`north` [2m]) by (host)", {"north": [1.0]}),
        ("COUNT | pattern `took=<n>ms<_>` | n >= 20 [2m]))", {"north": [2.0], "south": [1.0]}),
        ("COUNT |= `took` [2m])) or vector(0)", {"": [0.0], "north": [3.0], "south": [1.0]}),
        ("COUNT |= `gone` [2m])) or vector(0)", {"": [0.0]}),
        ("COUNT[2m])) and COUNT |= `no values`[2m]))", {"north": [4.0]}),
        ("COUNT[2m])) unless COUNT |= `no values`[2m]))", {"south": [1.0]}),
        ("topk(1, avg_over_time(TOOK) by (host))", {"north": [0.04]}),
        ("avg(avg_over_time(TOOK) by (host)) * 1000", {"": [35.0]}),
    ],
)
def test_values(log: MemoryLog, query: str, expected: dict[str, list[float]]) -> None:
    for name, text in SHORT.items():
        query = query.replace(name, text)
    found = evaluated(log, query)
    assert by_host(found) == expected


def test_counts_by_a_label_that_a_stage_makes(log: MemoryLog) -> None:
    query = "sum by (who) (count_over_time({} | label_format who=`{{.host | upper}}`[2m]))"
    found = {dict(labels)["who"]: list(points.values()) for labels, points in evaluated(log, query).items()}
    assert found == {"NORTH": [4.0], "SOUTH": [1.0]}


def test_values_have_their_moments(log: MemoryLog) -> None:
    moments = Moments((START_S + 60) * SECOND, 60 * SECOND, 2)
    query = "sum by (host) (sum_over_time({} | logfmt | unwrap duration(took) [1m]))"
    found = {dict(labels)["host"]: points for labels, points in evaluated(log, query, moments).items()}
    assert {host: [round(value, 6) for value in points.values()] for host, points in found.items()} == {
        "north": [0.03, 0.09],
        "south": [0.03],
    }


def answer(log: MemoryLog, query: str) -> None:
    tree = parse_logql(query)
    if isinstance(tree, LineSelection):
        compile_selection(tree)
    else:
        evaluated(log, query)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("{} | unpack", "found unpack"),
        ("{} | pattern `no captures`", "at least one <name>"),
        ("{} | regexp `no groups`", "at least one (?P<name>…)"),
        ("{} | regexp `(?P<a>(`", "the regular expression can't be read"),
        ("{} | line_format `{{ if .a }}x{{ end }}`", "if in a template is not offered"),
        ("{} | line_format `{{ .a | sha1 }}`", "sha1 in a template is not offered"),
        ("{} | line_format `{{ .a `", "an action without its end"),
        ("{} | line_format `{{ Replace .a }}`", "expected 4 arguments"),
        ("{} | unwrap x", "unwrap is offered within functions"),
        ("{} | addr = ip(`10.0.0.0/8`)", "ip(…) is not offered"),
        ("{} |= ip(`10.0.0.0/8`)", "ip(…) is not offered"),
        ("avg_over_time({}[1m])", "avg_over_time needs a value: | unwrap label"),
        ("count_over_time({} | unwrap x [1m])", "count_over_time takes no unwrap"),
        ("avg_over_time({} | unwrap percent(x) [1m])", "percent is not offered in unwrap"),
        ("absent_over_time({}[1m])", "absent_over_time is not offered"),
        ("label_replace(rate({}[1m]), `a`, `b`, `c`, `d`)", "label_replace is not offered"),
        ("sum(rate({}[1m])) / on(host) sum(rate({}[1m]))", "on is not offered"),
        ("rate({}[1m]) or 1", "or needs series on both sides"),
    ],
)
def test_what_is_not_offered_is_named(log: MemoryLog, query: str, reason: str) -> None:
    with pytest.raises(LogqlError, match=re.escape(reason)):
        answer(log, query)

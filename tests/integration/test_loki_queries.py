"""Loki's query API: what Grafana's data source, logcli and libraries ask, over entries of several protocols."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import aiohttp
import pytest

from logboom.pipeline.tokens import add_token
from tests.kit.app_kit import run_scenario
from tests.kit.app_thread import AppThread
from tests.kit.captured import answer_to, requests_of

MINUTE = 60
NOW = int(time.time())
START = NOW - 10 * MINUTE


def push(port: int, labels: dict[str, str], *values: tuple[int, str, dict[str, str]]) -> None:
    stream = {"stream": labels, "values": [[str(at), line, more] for at, line, more in values]}
    body = json.dumps({"streams": [stream]}).encode()
    head = f"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    status, text = answer_to(port, f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    assert status == 204, text


def at(minute: float, ns: int = 0) -> int:
    return int((START + minute * MINUTE) * 10**9) + ns


NORTH = f'{{"source":"north","temp":19.5,"level":"error","time":{at(6)}}}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppThread]:
    with AppThread(tmp_path_factory.mktemp("loki"), ("http", "loki")) as app:
        port = app.port("loki")
        push(
            port,
            {"app": "pumps", "level": "info", "env": "lab"},
            (at(1, 123), "pump started", {"trace_id": "t1"}),
            (at(2), "took=15ms size=3 state=ok", {}),
            (at(3), '{"msg":"pump 2 hot","temp":81.50,"pump":{"id":2}}', {}),
        )
        push(
            port,
            {"app": "pumps", "level": "warn", "env": "field"},
            (at(4), "valve stuck at 87 %", {"trace_id": "t2"}),
            (at(4.5), 'he said "no" \\ yes', {}),
        )
        push(port, {"app": "fans", "service.name": "fan"}, (at(5), "Valve ok", {}))
        body = NORTH.encode()
        head = b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        status, text = answer_to(app.port("http"), head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert status == 200, text
        yield app


def ask(server: AppThread, path: str, headers: Any = None, form: Any = False, **more: Any) -> Any:
    query = urlencode(more, doseq=True)
    url = f"http://127.0.0.1:{server.port('loki')}/loki/api/v1/{path}"
    request = (
        Request(url, query.encode(), headers or {})
        if form
        else Request(f"{url}?{query}", headers=headers or {})
    )
    with urlopen(request, timeout=30) as answer:
        assert answer.headers.get_content_type() == "application/json"
        return json.load(answer)


def lines(server: AppThread, query: str, **more: Any) -> list[str]:
    data = ask(server, "query_range", query=query, start=START, end=NOW + 1, **more)["data"]
    assert data["resultType"] == "streams"
    found = [value for stream in data["result"] for value in stream["values"]]
    return [value[1] for value in sorted(found)]


def refused(server: AppThread, path: str, **more: Any) -> str:
    with pytest.raises(HTTPError, match="400") as error:
        ask(server, path, **more)
    text: str = error.value.read().decode()
    assert error.value.headers.get_content_type() == "text/plain"
    return text


def test_grafana_finds_a_healthy_data_source(server: AppThread) -> None:
    data = ask(server, "query", query="vector(1)+vector(1)", time=at(9))["data"]
    assert data["resultType"] == "vector"
    assert data["result"] == [{"metric": {}, "value": [START + 540, "2"]}]
    assert ask(server, "status/buildinfo")["version"] == "3.0.0"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{app="fans"}', ["Valve ok"]),
        ('{service_name="fan"}', ["Valve ok"]),
        ('{app=~"pu.*|fa", env!="lab"}', ["valve stuck at 87 %", 'he said "no" \\ yes']),
        ('{app="pumps", env=""}', []),
        ('{env="", source!="north"}', ["Valve ok"]),
        ('{level="warning"} |= "valve"', ["valve stuck at 87 %"]),
        ('{level=~"warn|fatal"} |= `"no" \\ y`', ['he said "no" \\ yes']),
        ('{app!=""} |= "alve" != "stuck"', ["Valve ok"]),
        ('{app=~".+"} |~ "(?i)valve (ok|stuck)"', ["valve stuck at 87 %", "Valve ok"]),
        ('{app=~".+"} !~ "pump|alve|said"', ["took=15ms size=3 state=ok"]),
        ('{app="pumps"} |= "valve" or "started"', ["pump started", "valve stuck at 87 %"]),
        ('{app="pumps"} | trace_id="t2"', ["valve stuck at 87 %"]),
        ('{app="pumps"} | logfmt | took > 10ms and state="ok"', ["took=15ms size=3 state=ok"]),
        ('{app="pumps"} | logfmt | took > 20ms', []),
        ('{app="pumps"} | json | temp >= 81.5, pump_id = 2 | drop __error__', ["pump 2 hot"]),
        ('{app="pumps"} | json | (temp > 100 or level="warning") and trace_id!=""', ["valve stuck at 87 %"]),
        ('{source="north"} |= "19.5"', [NORTH]),
        ('{app="pumps"} | logfmt | took > 1ms | line_format "{{.took}} {{.state}}"', ["15ms ok"]),
        ('{app="pumps"} | pattern "valve <state> at <n> %" | n > 80 | line_format "{{.state}}"', ["stuck"]),
        ('{app="pumps"} |> "valve <_> at <_> %"', ["valve stuck at 87 %"]),
        (
            '{listener="http"} | json | temp < 20',
            [NORTH],
        ),
        ('{listener="loki",app="pumps"} |= ""', None),
    ],
)
def test_lines_are_selected(server: AppThread, query: str, expected: list[str] | None) -> None:
    found = lines(server, query)
    assert found == expected if expected is not None else len(found) == 5


@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_lines_are_in_the_order_of_their_nanoseconds(server: AppThread, direction: str) -> None:
    first = START - 86_400  # where no other test looks
    for number in (2, 0, 1, 5000):
        push(server.port("loki"), {"unit": direction}, (first * 10**9 + number, str(number), {}))
    more = {"start": first, "end": first + 1, "direction": direction}
    data = ask(server, "query_range", query=f'{{unit="{direction}"}}', **more)["data"]
    [stream] = data["result"]
    expected = ["0", "1", "2", "5000"]
    assert [line for _, line in stream["values"]] == (expected if direction == "forward" else expected[::-1])


@pytest.mark.parametrize("direction", ["backward", "forward"])
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_hold_each_line_once_in_whatever_order_they_arrived(
    server: AppThread, direction: str, limit: int
) -> None:
    first = START - 172_800
    moments = [*range(0, 4000, 997), *range(5, 2000, 700), 999, 1000, 1001, 998_000, 3]  # nanoseconds
    name = f"{direction}{limit}"
    for moment in moments:
        push(server.port("loki"), {"unit": name}, (first * 10**9 + moment, str(moment), {}))
    start, end = first * 10**9, (first + 1) * 10**9
    found: list[int] = []
    while True:
        more = {"start": start, "end": end, "direction": direction, "limit": limit}
        result = ask(server, "query_range", query=f'{{unit="{name}"}}', **more)["data"]["result"]
        page = [int(line) for stream in result for _, line in stream["values"]]
        found += page
        if len(page) < limit:
            break
        if direction == "forward":
            start = first * 10**9 + page[-1] + 1
        else:
            end = first * 10**9 + page[-1]
    assert found == sorted(moments, reverse=direction == "backward")


def test_lines_have_their_labels_and_nanoseconds(server: AppThread) -> None:
    data = ask(server, "query_range", query='{app="pumps"} |= "started" | json', start=at(0), end=at(10))
    assert data["data"]["result"] == [
        {
            "stream": {
                "app": "pumps",
                "env": "lab",
                "level": "info",
                "listener": "loki",
                "source": "pumps",
                "trace_id": "t1",
            },
            "values": [[str(at(1, 123)), "pump started"]],
        }
    ]
    flags = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
    query = '{app="pumps"} |= "took" | logfmt'
    data = ask(server, "query_range", flags, query=query, start=START, end=NOW)["data"]
    assert data["encodingFlags"] == ["categorize-labels"]
    assert data["result"][0]["stream"]["app"] == "pumps"
    parsed = {"took": "15ms", "size": "3", "state": "ok"}
    assert data["result"][0]["values"][0][2] == {"parsed": parsed}


def test_limit_and_direction(server: AppThread) -> None:
    for direction, expected in (("backward", at(4.5)), ("forward", at(1, 123))):
        data = ask(
            server,
            "query_range",
            form=True,
            query='{app="pumps"}',
            limit=1,
            direction=direction,
            start=at(0),
            end=at(10),
        )["data"]
        assert [value[0] for one in data["result"] for value in one["values"]] == [str(expected)]


def test_the_time_may_be_written_in_every_way(server: AppThread) -> None:
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + 270))
    for start in (START + 270, f"{START + 270}.0", at(4.5), iso):
        found = ask(server, "query_range", query='{app="pumps"}', start=start, end=at(10))["data"]["result"]
        assert [value[1] for one in found for value in one["values"]] == ['he said "no" \\ yes']
    assert 'start: found "x"' in refused(server, "query_range", query="{}", start="x").replace("'", '"')


def matrix(server: AppThread, query: str, **more: Any) -> dict[str, list[tuple[int, str]]]:
    span = {"start": START, "end": START + 600, "step": "60s", **more}
    data = ask(server, "query_range", query=query, **span)["data"]
    assert data["resultType"] == "matrix"
    return {
        ",".join(map("=".join, sorted(one["metric"].items()))): [
            ((moment - START // 60 * 60) // 60, value) for moment, value in one["values"]
        ]
        for one in data["result"]
    }


def test_bars_of_explore(server: AppThread) -> None:
    query = 'sum by (level, detected_level) (count_over_time({listener=~".+"} | drop __error__ [10m]))'
    found = matrix(server, query)
    assert set(found) == {"level=info", "level=warning", "level=error", ""}
    assert found["level=info"][-1][1] == "3"
    everything = matrix(server, 'sum(count_over_time({listener="loki"}[1m]))')
    assert sum(int(value) for _, value in everything[""]) == 6
    by_level = matrix(server, 'sum by (level) (count_over_time({listener="loki"}[1m]))')
    assert {labels: sum(int(value) for _, value in row) for labels, row in by_level.items()} == {
        "level=info": 3,
        "level=warning": 2,
        "": 1,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('sum by (app) (count_over_time({app=~".+"}[20m]))', {"app=pumps": "5", "app=fans": "1"}),
        ('sum by (state) (count_over_time({app="pumps"} | logfmt [20m]))', {"state=ok": "1", "": "4"}),
        ('max(sum by (app) (count_over_time({app=~".+"}[20m])))', {"": "5"}),
        ('topk(1, sum by (app) (count_over_time({app=~".+"}[20m])))', {"app=pumps": "5"}),
        ('sum by (app) (count_over_time({app=~".+"}[20m])) > 2', {"app=pumps": "5"}),
        ('sum(rate({app="pumps"}[20m])) * 1200', {"": "5"}),
        (
            'sum(count_over_time({app="fans"}[20m])) / sum(count_over_time({app=~".+"}[20m])) * 6',
            {"": "1"},
        ),
        (
            'sum without (env, level, listener, source) (count_over_time({app="pumps"}[20m]))',
            {"app=pumps": "5"},
        ),
        ('count(count_over_time({app="pumps"}[20m]))', {"": "2"}),
        ('sum(count_over_time({app="pumps"}[5m] |= "valve"))', {}),
        ('sum(count_over_time({app="pumps"} |= "valve" [8m] offset 2m))', {"": "1"}),
    ],
)
def test_numbers_at_a_moment(server: AppThread, query: str, expected: dict[str, str]) -> None:
    data = ask(server, "query", query=query, time=NOW + 1)["data"]
    assert data["resultType"] == "vector"
    found = {",".join(map("=".join, one["metric"].items())): one["value"][1] for one in data["result"]}
    assert {
        labels: str(round(float(value), 6)).removesuffix(".0") for labels, value in found.items()
    } == expected


def test_labels_values_and_series(server: AppThread) -> None:
    span = {"start": at(0), "end": at(10)}
    names = ask(server, "labels", **span)["data"]
    assert names == ["app", "env", "level", "listener", "service_name", "source"]
    assert ask(server, "label", **span)["data"] == names
    assert ask(server, "label/app/values", **span)["data"] == ["fans", "pumps"]
    assert ask(server, "label/env/values", query='{level="info"}', **span)["data"] == ["lab"]
    assert ask(server, "label/level/values", **span)["data"] == ["error", "info", "warning"]
    found = ask(server, "series", form=True, **{"match[]": ['{app="fans"}', '{env="lab"}']}, **span)["data"]
    assert [(one["app"], one.get("env")) for one in found] == [("fans", None), ("pumps", "lab")]
    assert ask(server, "label/app/values", start=at(4.9), end=at(5.1))["data"] == ["fans"]


def test_sizes(server: AppThread) -> None:
    span = {"start": at(0), "end": at(10)}
    stats = ask(server, "index/stats", query='{app="pumps"}', **span)
    assert (stats["streams"], stats["entries"]) == (2, 5)
    assert stats["bytes"] > 500
    volume = ask(server, "index/volume", query='{app=~".+"}', targetLabels="app", **span)["data"]
    assert [one["metric"] for one in volume["result"]] == [{"app": "pumps"}, {"app": "fans"}]
    ranged = ask(server, "index/volume_range", query='{app=~".+"}', targetLabels="app", step="60s", **span)
    assert sum(int(value) for _, value in ranged["data"]["result"][0]["values"]) > 100
    detected = ask(server, "detected_labels", **span)["detectedLabels"]
    assert {"label": "app", "cardinality": 2} in detected
    assert ask(server, "detected_fields", query="{}")["fields"] == []
    assert ask(server, "patterns", query="{}")["data"] == []


@pytest.mark.parametrize(
    "capture", ["query-py-loki-reader", "query-js-myunisoft.c1", "query-js-myunisoft.c2"]
)
def test_requests_of_libraries(server: AppThread, capture: str) -> None:
    for request in requests_of(f"loki/{capture}.bin"):
        for listener in ("loki", "http"):
            status, body = answer_to(server.port(listener), request)
            assert (status, json.loads(body)["status"]) == (200, "success")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ('{app="x"', 'col 9: expected ","'),
        ("{app=x}", "expected a text in quotes, found x"),
        ('{app="x"} | unpack', "offered are line filters"),
        ('absent_over_time({a="b"}[1m])', "absent_over_time is not offered"),
        ('{app=~"("}', "the regular expression can't be read"),
        ("(" * 40 + "1" + ")" * 40, "levels of a query at most"),
        ('{a="b"} ' + '|= "x" ' * 101, "100 matchers"),
        ("x" * 6000, "5000 at most"),
        ('{a="\\q"}', "unknown escape"),
        ("", "the end of the query"),
        ('count_over_time({a="b"}[400d])', "duration of up to a year"),
        ('{a="b"} ; drop', "unexpected character"),
    ],
)
def test_a_query_that_cannot_be_read(server: AppThread, query: str, reason: str) -> None:
    text = refused(server, "query_range", query=query)
    assert text.startswith("parse error at line 1")
    assert reason in text


def test_bounds(server: AppThread) -> None:
    assert "max_entries_limit" in refused(server, "query_range", query="{}", limit=10**6)
    assert "maximum resolution" in refused(server, "query_range", query="vector(1)", start=0, step=1)
    query = "sum(count_over_time({}[7s]))"
    assert "common divisor" in refused(server, "query_range", query=query, start=0, end=10**9, step="100003s")
    assert "range query" in refused(server, "query", query='{app="x"}')
    assert "end timestamp" in refused(server, "query_range", query="{}", start=NOW, end=NOW - 1)


def test_tail(server: AppThread) -> None:
    async def scenario() -> list[dict[str, Any]]:
        url = f"ws://127.0.0.1:{server.port('loki')}/loki/api/v1/tail"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, params={"query": '{app="tail"}', "start": str(at(0))}) as stream,
        ):
            first = await stream.receive_json()
            await asyncio.to_thread(push, server.port("loki"), {"app": "tail"}, (at(9), "new", {}))
            return [first, await stream.receive_json()]

    push(server.port("loki"), {"app": "tail"}, (at(8), "old", {}))
    frames = run_scenario(scenario())
    assert [frame["streams"][0]["values"] for frame in frames] == [
        [[str(at(8)), "old"]],
        [[str(at(9)), "new"]],
    ]
    assert all(frame["streams"][0]["stream"]["app"] == "tail" for frame in frames)


def test_values_of_lines(server: AppThread) -> None:
    query = 'avg_over_time({app="pumps"} | logfmt | unwrap duration(took) [20m]) by (app)'
    data = ask(server, "query", query=query, time=at(9))["data"]
    assert data["result"] == [{"metric": {"app": "pumps"}, "value": [START + 540, "0.015"]}]
    data = ask(server, "query_range", query=query, start=at(0), end=at(9), step="60s")["data"]
    assert {value for _, value in data["result"][0]["values"]} == {"0.015"}


def test_reading_needs_a_token(tmp_path: Path) -> None:
    reader = add_token(tmp_path / "tokens.json", "grafana", ("read",))
    writer = add_token(tmp_path / "tokens.json", "agent", ("write",))
    settings = {"listeners": {"loki": {"auth": "token"}}}
    with AppThread(tmp_path, ("loki",), settings=settings) as server:
        own = {"query": "{}"}
        for form in (False, True):
            for token, status in ((None, 401), (writer, 403)):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                with pytest.raises(HTTPError, match=str(status)):
                    ask(server, "query_range", headers, form, **own)
            headers = {"Authorization": f"Bearer {reader}"}
            assert ask(server, "query_range", headers, form, **own)["status"] == "success"
        assert ask(server, "status/buildinfo", headers)["version"]


def test_an_open_port_for_pushes_is_not_open_for_queries(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("loki",)) as server:
        service: Any = server.app.listeners["loki"].service
        server.call(
            setattr, service.front._settings, "host", "0.0.0.0"
        )  # as if it were bound to every address
        push(server.port("loki"), {"app": "pumps"}, (at(1), "stored", {}))
        with pytest.raises(HTTPError, match="403"):
            ask(server, "labels")

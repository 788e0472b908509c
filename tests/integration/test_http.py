"""The `http` listener as its users meet it: the page, POST and GET of entries, the live tail."""

import asyncio
import csv
import gzip
import io
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientConnectionError, ClientSession, WSMsgType
from backports import zstd

from logboom.app import App
from logboom.errors import ListenerError
from logboom.servers.http import HttpListener
from logboom.web import entries as entries_module
from logboom.web import push as push_module
from logboom.web import site as site_module
from logboom.web import tail as tail_module
from tests.kit.app_kit import FailingDisk, journal_lines, port_of, run_scenario, running_app

Scenario = Callable[[App, ClientSession], Awaitable[None]]
NDJSON = {"Content-Type": "application/x-ndjson"}


def run(data_dir: Path, scenario: Scenario, **options: Any) -> None:
    async def main() -> None:
        async with running_app(data_dir, **options) as app, client_of(app) as client:
            await scenario(app, client)

    run_scenario(main())


@asynccontextmanager
async def client_of(app: App) -> AsyncIterator[ClientSession]:
    async with ClientSession(f"http://127.0.0.1:{port_of(app)}") as client:
        yield client


async def post(client: ClientSession, body: bytes, **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post("/api/entries", data=io.BytesIO(body), headers=named) as answer:
        return answer.status, await answer.json()


async def get(client: ClientSession, query: str = "") -> Any:
    async with client.get(f"/api/entries{query}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def stored(data_dir: Path) -> list[bytes]:
    """The entries of the journal, byte for byte."""
    return [
        line[line.index(b'"entry":') + 8 : line.rindex(b',"source":')] for line in journal_lines(data_dir)
    ]


def lines(count: int, first: int = 0) -> bytes:
    levels = ("debug", "info", "warning", "error")
    return b"".join(
        b'{"level":"%b","message":"line %d","source":"s-%d"}\n' % (levels[n % 4].encode(), n, n % 3)
        for n in range(first, first + count)
    )


# --- the page


def test_the_page_and_its_files_come_with_a_strict_policy(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        for path, kind in [
            ("/", "text/html"),
            ("/static/app.js", "text/javascript"),
            ("/static/style.css", "text/css"),
        ]:
            async with client.get(path) as answer:
                assert (answer.status, answer.content_type) == (200, kind)
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Server"] == "Logboom"
                body, tag = await answer.text(), answer.headers["ETag"]
                assert "style=" not in body
                assert "<script>" not in body
            async with client.get(path, headers={"If-None-Match": tag}) as answer:
                assert answer.status == 304

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "path", ["/nothing", "/static/nothing", "/static/../site.py", "/static/%2e%2e%2fsite.py"]
)
def test_what_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        async with client.get(path) as answer:
            assert answer.status == 404

    run(tmp_path, scenario)


def test_errors_of_the_api_are_json(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        async with client.delete("/api/entries") as answer:
            assert answer.status == 405
            assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}
            assert "error" in await answer.json()
        async with client.get("/api/entries?limit=x") as answer:
            assert answer.status == 400
            assert (await answer.json())["error"] == "limit: found 'x', expected a whole number"
        for path in ("entries", "tail", "volume", "fields", "series", "export.csv"):
            async with client.get(f"/api/{path}?sorce=x") as answer:
                assert answer.status == 400
                assert (await answer.json())["error"].startswith("sorce: unknown parameter, expected level,")

    run(tmp_path, scenario)


def test_a_fault_of_ours_is_told_in_the_log_and_not_to_the_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(entries_module, "_page", broken)
    log = io.StringIO()

    async def scenario(_: App, client: ClientSession) -> None:
        async with client.get("/api/entries") as answer:
            assert answer.status == 500
            assert "inside" not in await answer.text()

    run(tmp_path, scenario, log=log)
    assert "💥 http: GET /api/entries: RuntimeError: inside" in log.getvalue()


def test_nonsense_gets_one_line_in_the_log(tmp_path: Path) -> None:
    log = io.StringIO()

    async def scenario(app: App, _: ClientSession) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(app))
        writer.write(b"GET / HTTP/9\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.0 400")
        writer.close()
        await writer.wait_closed()

    run(tmp_path, scenario, log=log)
    assert "Traceback" not in log.getvalue()
    assert ["BadStatusLine" in line for line in log.getvalue().splitlines()].count(True) == 1


# --- POST /api/entries


@pytest.mark.parametrize(
    ("body", "kind", "kept"),
    [
        (b'{"a": 1.50}', "application/json", [b'{"a": 1.50}']),
        (b'{\n  "a": 1\n}\n', "application/json", [b'{   "a": 1 }']),
        (b'[{"a":1}, {"b":2}]', "application/json", [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}\r\n{"b":2}', "application/json", [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}\n\n{"b":2}\n', "application/x-ndjson", [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}', "application/x-www-form-urlencoded", [b'{"a":1}']),
        (b'{"a":1}', "text/plain; charset=utf-8", [b'{"a":1}']),
        (b'{"a":1}', "application/vnd.thing+json", [b'{"a":1}']),
    ],
)
def test_objects_arrays_and_lines_are_stored(
    tmp_path: Path, body: bytes, kind: str, kept: list[bytes]
) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        status, answer = await post(client, body, Content_Type=kind)
        assert status == 200
        assert (answer["stored"], answer["refused"], answer["first_sequence"]) == (len(kept), 0, 0)
        assert stored(tmp_path) == kept

    run(tmp_path, scenario)
    assert json.loads(journal_lines(tmp_path)[0])["source"] == "127.0.0.1"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_packed_bodies_are_stored(tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = lines(30_000)

    async def scenario(_: App, client: ClientSession) -> None:
        status, answer = await post(
            client, pack(body), Content_Encoding=encoding, Content_Type="application/x-ndjson"
        )
        assert (status, answer["stored"], answer["entries"]) == (200, 30_000, [])

    run(tmp_path, scenario)
    assert b"\n".join(stored(tmp_path)) + b"\n" == body


def test_a_body_in_chunks_is_stored_as_it_comes(tmp_path: Path) -> None:
    async def scenario(app: App, client: ClientSession) -> None:
        committed = asyncio.Event()
        app.journal.on_commit.append(committed.set)

        async def body() -> AsyncIterator[bytes]:
            yield lines(10)
            await committed.wait()  # the first part is on disk before the second is sent
            assert len(journal_lines(tmp_path)) == 10
            rest = lines(10, 10)
            yield rest[:33]
            yield rest[33:]

        async with client.post("/api/entries", data=body(), headers=NDJSON) as answer:
            assert (await answer.json())["stored"] == 20

    run(tmp_path, scenario)
    assert b"\n".join(stored(tmp_path)) + b"\n" == lines(20)


def test_each_refused_entry_is_named(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        long = b'{"a":"' + b"x" * (1 << 20) + b'"}'
        status, answer = await post(client, b'{"a":1}\nbad\n\n[]\n' + long + b'\n{"b":2}\n')
        assert status == 207
        assert (answer["stored"], answer["refused"], answer["entries_omitted"]) == (2, 3, 0)
        assert [(one["index"], one["status"]) for one in answer["entries"]] == [
            *[(1, "invalid"), (2, "invalid"), (3, "too_long")]
        ]
        assert "1048584 bytes" in answer["entries"][2]["reason"]

    run(tmp_path, scenario)
    assert stored(tmp_path) == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"[]", {}, 400),
        (b"nonsense", {}, 400),
        (b'[{"a":1},', {}, 400),
        (b'"text"', {}, 400),
        (b'{"a":"\xff"}', {}, 400),
        (b"[" + b" " * (5 << 20), {}, 413),
        (b'{"a":"' + b"x" * (1 << 20) + b'"}', {}, 413),
        (b"x", {"Content_Type": "image/png"}, 415),
        (b"x", {"Content_Encoding": "br"}, 415),
        (b"x", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b'{"a":1}', mtime=0)[:-4], {"Content_Encoding": "gzip"}, 400),
    ],
)
def test_what_can_not_be_stored_is_refused(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int
) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        found, answer = await post(client, body, **headers)
        assert found == status
        assert answer["stored"] == len(journal_lines(tmp_path)) <= 1  # what came before a broken end
        assert "error" in answer or answer["refused"] == 1
        assert (await post(client, b'{"next":1}'))[0] == 200

    run(tmp_path, scenario)


def test_a_limited_sender_is_told_when_to_come_back(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        async with client.post("/api/entries", data=lines(5), headers=NDJSON) as answer:
            assert answer.status == 429
            assert 0 < int(answer.headers["Retry-After"]) <= 60
            body = await answer.json()
        assert (body["stored"], body["refused"]) == (3, 2)
        assert [one["index"] for one in body["entries"]] == [3, 4]

    run(tmp_path, scenario, rate_limit_enabled=True, rate_limit_requests_max=3)


def test_refusing_storage_is_503_until_it_works_again(tmp_path: Path) -> None:
    disk = FailingDisk()

    async def scenario(_: App, client: ClientSession) -> None:
        disk.failing = True
        async with client.post("/api/entries", data=lines(2), headers=NDJSON) as answer:
            assert answer.status == 503
            assert "Retry-After" in answer.headers
            assert [one["status"] for one in (await answer.json())["entries"]] == ["failed", "failed"]
        disk.failing = False
        assert (await post(client, lines(2)))[0] == 200

    run(tmp_path, scenario, disk=disk)
    assert len(stored(tmp_path)) == 2


def test_entries_below_the_listeners_level_are_no_refusal(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        status, answer = await post(client, lines(4))
        assert (status, answer["stored"], answer["filtered"], answer["refused"]) == (200, 2, 2, 0)

    run(tmp_path, scenario, level_min="WARNING")


def test_a_foreign_page_may_not_post(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        assert (await post(client, b"{}", Origin="https://evil.example", User_Agent="Mozilla/5.0"))[0] == 403
        own = str(client._base_url).rstrip("/")
        assert (await post(client, b"{}", Origin=own))[0] == 200

    run(tmp_path, scenario)
    assert len(journal_lines(tmp_path)) == 1


def test_too_many_documents_at_once_are_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "HELD_BYTES_MAX", 0)
    large = b'[{"a":"' + b"x" * push_module.HELD_FREE_BYTES + b'"}]'

    async def scenario(_: App, client: ClientSession) -> None:
        async with client.post("/api/entries", data=large) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (await post(client, b'[{"small":"go on"}]'))[0] == 200
        assert (await post(client, b'{"lines":"go on"}'))[0] == 200

    run(tmp_path, scenario)


def test_a_body_that_stops_coming_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "BODY_IDLE_S_MAX", 0.05)

    async def scenario(app: App, _: ClientSession) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(app))
        writer.write(b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + b'{"a":1}\n')
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()

    run(tmp_path, scenario)


# --- GET /api/entries


def test_pages_lead_back_to_the_first_entry_and_forward_again(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(client, lines(250))
        page = await get(client, "?limit=100")
        found = [entry["sequence"] for entry in page["entries"]]
        assert found == list(range(249, 149, -1))
        assert (page["before"], page["after"], page["more"]) == (150, 249, True)
        assert (page["first"], page["reached_at"]) == (0, page["entries"][-1]["received_at"])
        async with client.get("/api/entries?limit=100&q=line") as answer:
            onward = str(answer.links["next"]["url"])
        assert "before=150" in onward
        assert "q=line" in onward
        found += [entry["sequence"] for entry in (await get(client, "?limit=100&before=150"))["entries"]]
        last = await get(client, "?limit=100&before=50")
        found += [entry["sequence"] for entry in last["entries"]]
        assert found == list(range(249, -1, -1))
        assert (last["before"], last["more"]) == (None, False)
        page = await get(client, "?limit=200&after=-1")
        assert [entry["sequence"] for entry in page["entries"]] == list(range(200))
        page = await get(client, f"?limit=200&after={page['after']}")
        assert [entry["sequence"] for entry in page["entries"]] == list(range(200, 250))
        assert (page["after"], page["more"]) == (249, False)
        assert (await get(client, "?after=249"))["entries"] == []
        assert len((await get(client, "?after=100&before=110"))["entries"]) == 9

    run(tmp_path, scenario)


def test_filters_choose(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(client, lines(120))
        for query, count in [
            *[("level=error", 30), ("level=WARN", 60), ("source=s-1", 40), ("source=127.0.0.1", 120)],
            *[
                ("listener=http", 120),
                ("listener=device", 0),
                ("q=LINE%2011*", 11),
                ("level=error&source=s-0&q=*9*", 2),
                ("q=source%3Ds-1", 40),
                ("q=source%3DS-1+level%3Derror", 10),
                ("q=%22source%22:%22s-1%22", 40),
            ],
            *[("since=1h", 120), ("until=1h", 0)],
        ]:
            assert len((await get(client, f"?limit=1000&{query}"))["entries"]) == count, query

    run(tmp_path, scenario)


def test_a_page_has_the_normalised_record_and_the_entry_as_sent(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(
            client, b'{"severity":"warn","msg":"x","ts":"2025-01-01T00:00:00Z","temp":24.10,"big":1e400}'
        )
        async with client.get("/api/entries") as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            text = await answer.text()
        assert '"temp":24.10,"big":1e400' in text
        [entry] = json.loads(text)["entries"]
        assert (entry["level"], entry["message"]) == ("WARNING", "x")
        assert entry["time"] == "2025-01-01T00:00:00.000000+00:00"

    run(tmp_path, scenario)


def test_pages_come_as_json_lines_and_csv(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(client, lines(3))
        async with client.get("/api/entries?format=jsonl&after=-1") as answer:
            assert answer.content_type == "application/x-ndjson"
            assert [json.loads(line)["sequence"] for line in (await answer.text()).splitlines()] == [0, 1, 2]
        async with client.get("/api/entries?format=csv&limit=2") as answer:
            assert answer.content_type == "text/csv"
            assert 'rel="next"' in answer.headers["Link"]
            rows = list(csv.DictReader(io.StringIO(await answer.text(), newline="")))
        assert [(row["sequence"], row["message"]) for row in rows] == [("2", "line 2"), ("1", "line 1")]
        assert [(row["source"], row["sender"]) for row in rows] == [
            ("127.0.0.1", "s-2"),
            ("127.0.0.1", "s-1"),
        ]

    run(tmp_path, scenario)


# --- /api/tail


async def events(
    client: ClientSession, query: str, **headers: str
) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """The entries of a tail, with their ids."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(f"/api/tail?{query}", headers=named) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        event: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif "data" in event:
                yield int(event.get("id", -1)), json.loads(event["data"])
                event = {}
            else:
                event = {}


async def take(
    client: ClientSession, count: int, query: str, **headers: str
) -> list[tuple[int, dict[str, Any]]]:
    found = []
    async with aclosing(events(client, query, **headers)) as stream:  # type: ignore[type-var]
        async for event in stream:
            found.append(event)
            if len(found) == count:
                break
    return found


def test_a_tail_from_the_beginning_goes_on_live(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(client, lines(10))
        found = []
        async with aclosing(events(client, "after=-1")) as stream:  # type: ignore[type-var]
            async for number, record in stream:
                assert number == record["sequence"]
                found.append(number)
                if number == 9:
                    await post(client, lines(5, 10))
                if number == 14:
                    break
        assert found == list(range(15))

    run(tmp_path, scenario)


def test_a_tail_without_a_place_starts_now(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(client, lines(10))
        async with client.get("/api/tail") as answer:
            assert await answer.content.readline() == b"retry: 1000\n"
            assert await answer.content.readline() == b": keep-alive\n"
            assert await answer.content.readline() == b"id: 9\n"
            await post(client, lines(1, 10))
            assert await answer.content.readline() == b"\n"
            assert await answer.content.readline() == b"id: 10\n"

    run(tmp_path, scenario)


def test_readers_that_reconnect_miss_nothing_and_see_nothing_twice(tmp_path: Path) -> None:
    total = 3000

    async def scenario(_: App, client: ClientSession) -> None:
        async def write() -> None:
            for first in range(0, total, 50):
                await post(client, lines(50, first))

        writing = asyncio.create_task(write())
        seen: list[int] = []
        while len(seen) < total:
            step = min(170, total - len(seen))
            query, headers = ("after=-1", {"Last_Event_ID": str(seen[-1])}) if seen else ("after=-1", {})
            seen += [number for number, _ in await take(client, step, query, **headers)]
        await writing
        assert seen == list(range(total))

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("level=error", lambda n: n % 4 == 3),
        ("source=s-2", lambda n: n % 3 == 2),
        ("q=%22LINE+7%22", lambda n: n == 7),
        ("q=source%3Ds-2", lambda n: n % 3 == 2),
        ("q=%22source%22%3A%22s-2%22", lambda n: n % 3 == 2),
        ("listener=http&level=warning", lambda n: n % 4 >= 2),
        ("since=1h", lambda _: True),
    ],
)
def test_a_tail_filters(tmp_path: Path, query: str, matches: Callable[[int], bool]) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(client, lines(100))
        expected = [number for number in range(100) if matches(number)]
        after = "" if "since" in query else "&after=-1"
        found = await take(client, len(expected), query + after)
        assert [number for number, _ in found] == expected

    run(tmp_path, scenario)


def test_a_tail_says_what_is_no_longer_kept(tmp_path: Path) -> None:
    async def fill() -> None:
        async with running_app(tmp_path) as app, client_of(app) as client:
            await post(client, lines(10))

    async def scenario(_app: App, client: ClientSession) -> None:
        await post(client, lines(1, 10))
        (_, gap), (number, _record) = await take(client, 2, "after=3")
        assert gap == {"gap": {"first": 4, "last": 9}}
        assert number == 10

    run_scenario(fill())
    journal = tmp_path / "journal"
    next(journal.glob("*.jsonl")).rename(
        journal / f"{10:020d}.jsonl"
    )  # the journal goes on at 10, as after retention
    next(journal.glob("*.jsonl")).write_bytes(b"")
    next(journal.glob("*.index")).unlink()
    run(tmp_path, scenario)


def test_a_quiet_tail_tells_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "KEEP_ALIVE_S", 0.01)

    async def scenario(_: App, client: ClientSession) -> None:
        async with client.get("/api/tail?q=never") as answer:
            await post(client, lines(3))
            while await answer.content.readline() != b"id: 2\n":  # nothing matched, and yet it is past it
                pass

    run(tmp_path, scenario)


def test_a_tail_over_websocket(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        await post(client, lines(20))
        async with client.ws_connect("/api/tail?after=4&level=error") as stream:
            found = [json.loads((await stream.receive()).data)["sequence"] for _ in range(4)]
            assert found == [7, 11, 15, 19]
            await post(client, lines(4, 20))
            assert json.loads((await stream.receive()).data)["sequence"] == 23

    run(tmp_path, scenario)


def test_tails_end_with_the_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            running_app(tmp_path) as app,
            client_of(app) as client,
            client.get("/api/tail") as as_events,
            client.ws_connect("/api/tail", autoclose=False) as stream,
        ):
            stopping = asyncio.create_task(app.stop())
            assert (await as_events.read()).startswith(b"retry")
            closing = await stream.receive()
            assert (closing.type, closing.data) == (WSMsgType.CLOSE, 1001)
            await stream.close()
            await stopping

    run_scenario(scenario())


def test_tails_are_bounded_in_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "TAILS_MAX", 1)
    assert site_module.TAILS_MAX > 1

    async def scenario(_: App, client: ClientSession) -> None:
        async with client.ws_connect("/api/tail"), client.get("/api/tail") as answer:
            assert answer.status == 503
            assert "Retry-After" in answer.headers
        await take_when_free(client)

    async def take_when_free(client: ClientSession) -> None:
        """The place is free again once the server has seen the close."""
        while True:
            async with client.get("/api/tail") as answer:
                if answer.status == 200:
                    return

    run(tmp_path, scenario)


def test_a_foreign_page_may_not_tail_over_websocket(tmp_path: Path) -> None:
    async def scenario(_: App, client: ClientSession) -> None:
        async with client.get(
            "/api/tail",
            headers={
                "Origin": "https://evil.example",
                "User-Agent": "Mozilla/5.0",
                "Upgrade": "websocket",
                "Connection": "Upgrade",
            },
        ) as answer:
            assert answer.status == 403

    run(tmp_path, scenario)


# --- the listener


def test_a_listener_that_lost_its_sockets_starts_again(tmp_path: Path) -> None:
    async def scenario(app: App, client: ClientSession) -> None:
        listener = app.listeners["http"].service
        assert isinstance(listener, HttpListener)
        assert (await post(client, b'{"a":1}'))[0] == 200
        listener.stop()
        listener.stop()
        await listener.start()
        async with client_of(app) as again:
            assert (await post(again, b'{"a":2}'))[0] == 200

    run(tmp_path, scenario)
    assert len(stored(tmp_path)) == 2


def test_a_listener_whose_sockets_are_closed_dies(tmp_path: Path) -> None:
    async def scenario(app: App, _: ClientSession) -> None:
        listener = app.listeners["http"].service
        assert isinstance(listener, HttpListener)
        for server in listener._sockets._servers:
            server.close()
        with pytest.raises(ListenerError, match="stopped accepting"):
            await listener.run()

    run(tmp_path, scenario)


def test_a_connection_too_many_is_turned_away(tmp_path: Path) -> None:
    async def scenario(app: App, client: ClientSession) -> None:
        async with client.get("/api/tail") as answer:
            assert answer.status == 200
            with pytest.raises(ClientConnectionError, match=r"disconnected|reset by peer|closing transport"):
                await client.get("/")
        assert app.listeners["http"].service.intake.counters.connections_refused >= 1

    run(tmp_path, scenario, connections_max=1)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        with pytest.raises(ListenerError, match=f"http: can't listen on 127.0.0.1:{port}"):
            async with running_app(tmp_path, port=port):
                pass

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run_scenario(scenario(taken.getsockname()[1]))


def test_limits_change_while_it_runs(tmp_path: Path) -> None:
    async def scenario(app: App, client: ClientSession) -> None:
        listener = app.listeners["http"].service
        settings = msgspec.structs.replace(app.settings.listeners["http"], line_bytes_max=100)
        body = b'{"a":"' + b"x" * 200 + b'"}'
        assert (await post(client, body))[0] == 200
        listener.configure(settings)
        assert (await post(client, body))[0] == 413

    run(tmp_path, scenario)

"""The WebSocket on `/`, with a client library that is not ours. Contract: docs/contracts/websocket.md."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from logboom.app import App
from logboom.testing.server_kit import ServerProcess
from tests.kit.app_kit import FailingDisk, journal_lines, port_of, run_scenario, running_app

MESSAGE = (
    '{"timestamp": "2024-01-01T12:00:00.000000", "message": ["StateChange [2024-01-01 12:00:00] Täsk completed", '
    '"Success"], "source": "whaleon-36381824", "type": "log", "line_count": 2, "extra": 24.10}'
)

Scenario = Callable[[App], Awaitable[None]]


def run(data_dir: Path, scenario: Scenario, **options: Any) -> None:
    async def main() -> None:
        async with running_app(data_dir, **options) as app:
            await scenario(app)

    run_scenario(main())


def peer(app: App, **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{port_of(app)}/", **{"max_size": None, **options})


@asynccontextmanager
async def peers(app: App, count: int) -> AsyncIterator[list[ClientConnection]]:
    """Some peers that are all known to the server: each has had an answer."""
    clients = [await peer(app) for _ in range(count)]
    for client in clients:
        await client.send("?")
        assert json.loads(await client.recv())["status"] == "error"
    yield clients
    for client in clients:
        await client.close()


def entries(data_dir: Path) -> list[bytes]:
    """The entries of the journal, byte for byte."""
    return [
        line[line.index(b'"entry":') + 8 : line.rindex(b',"source":')] for line in journal_lines(data_dir)
    ]


async def reply(client: ClientConnection) -> dict[str, Any]:
    answer = json.loads(await client.recv())
    assert len(answer["timestamp"]) == len("2024-01-01T12:00:00.000000")
    assert isinstance(answer, dict)
    return answer


def text(number: int) -> str:
    return json.dumps({"message": f"line {number}", "source": "s-1", "type": "log"})


def test_a_message_is_stored_verbatim_and_then_answered(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        async with peer(app) as client:
            await client.send(MESSAGE)
            answer = await reply(client)
            assert {"status", "message_id", "timestamp"} == set(answer)
            assert (answer["status"], answer["message_id"]) == ("received", 1)
            assert entries(tmp_path) == [MESSAGE.encode()]
            await client.send(MESSAGE)
            assert (await reply(client))["message_id"] == 2

    run(tmp_path, scenario)
    stored = json.loads(journal_lines(tmp_path)[0])
    assert (stored["source"], stored["listener"]) == ("127.0.0.1", "http")


def test_a_pipelined_window_is_answered_in_order(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        async with peer(app) as client:
            for number in range(3000):
                await client.send(text(number) if number % 10 else "bad")
            answers = [await reply(client) for _ in range(3000)]
            assert [answer["status"] == "error" for answer in answers] == [not n % 10 for n in range(3000)]
            good = [answer["message_id"] for answer in answers if answer["status"] == "received"]
            assert good == list(range(1, 2701))

    run(tmp_path, scenario)
    assert entries(tmp_path) == [text(number).encode() for number in range(3000) if number % 10]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("hello", "invalid JSON"),
        ("", "invalid JSON"),
        ('{"message":"a\nb"}', "invalid JSON"),
        ("[1]", "expected JSON object"),
        ('{"source":"x"}', "expected a field `message`: a string or a list of strings"),
        ('{"message":["x",1]}', "expected a field `message`: a string or a list of strings"),
    ],
)
def test_bad_input_is_answered_and_the_connection_stays_open(tmp_path: Path, bad: str, reason: str) -> None:
    async def scenario(app: App) -> None:
        async with peer(app) as client, peer(app) as other:
            await client.send(bad)
            answer = await reply(client)
            assert (answer["status"], answer["message"]) == ("error", reason)
            await client.send(MESSAGE)
            assert (await reply(client))["status"] == "received"
            assert await other.recv() == MESSAGE  # and nothing before it

    run(tmp_path, scenario)
    assert entries(tmp_path) == [MESSAGE.encode()]


def test_text_that_is_not_utf8_is_bad_input(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        async with peer(app) as client:
            await client.send(b'{"message":"\xff"}', text=True)
            assert (await reply(client))["message"] == "invalid JSON"
            await client.send(b'{"message":"as binary"}')
            assert (await reply(client))["status"] == "received"

    run(tmp_path, scenario)


def test_everybody_else_gets_a_message_verbatim_and_nobody_anothers_reply(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        async with peers(app, 3) as (alice, bob, carol):
            spread = '{\n  "message": "over\\nlines"\n}'
            await alice.send(spread)
            assert (await reply(alice))["status"] == "received"
            assert [await bob.recv(), await carol.recv()] == [spread, spread]
            await bob.send(MESSAGE)
            assert (await reply(bob))["message_id"] == 2
            assert [await alice.recv(), await carol.recv()] == [MESSAGE, MESSAGE]
            for client in (alice, bob, carol):
                await client.send("?")
                assert (await reply(client))["status"] == "error"  # nothing else was in between

    run(tmp_path, scenario)
    assert entries(tmp_path) == [b'{   "message": "over\\nlines" }', MESSAGE.encode()]


def test_what_could_not_be_stored_is_an_error_and_is_not_passed_on(tmp_path: Path) -> None:
    disk = FailingDisk()

    async def scenario(app: App) -> None:
        async with peers(app, 2) as (alice, bob):
            disk.failing = True
            await alice.send(text(1))
            answer = await reply(alice)
            assert (answer["status"], answer["message"]) == ("error", "storage unavailable")
            disk.failing = False
            await alice.send(text(2))
            assert (await reply(alice))["status"] == "received"
            assert await bob.recv() == text(2)

    run(tmp_path, scenario, disk=disk)
    assert entries(tmp_path) == [text(2).encode()]


def test_a_rate_limit_is_answered(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        async with peer(app) as client:
            for number in range(4):
                await client.send(text(number))
            answers = [await reply(client) for _ in range(4)]
            assert [answer["status"] for answer in answers] == ["received", "received", "error", "error"]
            assert answers[3]["message"] == "rate limit exceeded"
            assert 0 < answers[3]["retry_after_s"] <= 60

    run(tmp_path, scenario, rate_limit_enabled=True, rate_limit_requests_max=2)


def test_messages_below_the_listeners_level_are_answered_and_not_kept(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        async with peer(app) as client:
            await client.send('{"message":"x","level":"debug"}')
            await client.send('{"message":"y","level":"error"}')
            assert [(await reply(client))["status"] for _ in range(2)] == ["filtered", "received"]

    run(tmp_path, scenario, level_min="INFO")


def test_without_storage_messages_are_numbered_and_passed_on_all_the_same(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        async with peers(app, 2) as (alice, bob):
            for number in (1, 2):
                await alice.send(text(number))
                assert (await reply(alice))["message_id"] == number
                assert await bob.recv() == text(number)

    run(tmp_path, scenario, store=False)
    assert entries(tmp_path) == []


def test_a_message_may_have_a_mebibyte_and_not_more(tmp_path: Path) -> None:
    def sized(size: int) -> str:
        return '{"message":"%s"}' % ("x" * (size - 14))

    async def scenario(app: App) -> None:
        async with peers(app, 2) as (alice, bob):
            await alice.send(sized(1 << 20))
            assert (await reply(alice))["status"] == "received"
            assert await bob.recv() == sized(1 << 20)
            await alice.send(sized((1 << 20) + 2))
            with pytest.raises(ConnectionClosed, match="1009") as caught:
                await alice.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009

    run(tmp_path, scenario, line_bytes_max=1 << 20)


@pytest.mark.parametrize("compression", ["deflate", None])
def test_compression_is_the_clients_choice(tmp_path: Path, compression: str | None) -> None:
    async def scenario(app: App) -> None:
        async with peer(app, compression=compression) as alice, peer(app, compression=compression) as bob:
            agreed = "Sec-WebSocket-Extensions" in alice.response.headers  # type: ignore[union-attr]
            assert agreed == (compression is not None)
            for number in range(50):
                await alice.send(text(number))
                assert (await reply(alice))["message_id"] == number + 1
            assert [await bob.recv() for _ in range(50)] == [text(number) for number in range(50)]

    run(tmp_path, scenario)


def test_a_foreign_page_is_refused(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        with pytest.raises(InvalidStatus, match="HTTP 403") as caught:
            await peer(app, origin="https://evil.example", user_agent_header="Mozilla/5.0")
        assert caught.value.response.status_code == 403
        async with peer(app, origin="https://evil.example"):
            pass  # a program: it says what it likes
        async with peer(app, origin=f"http://127.0.0.1:{port_of(app)}") as client:
            await client.send(MESSAGE)
            assert (await reply(client))["status"] == "received"

    run(tmp_path, scenario)


def test_what_came_before_a_close_is_answered_and_stored(tmp_path: Path) -> None:
    async def scenario(app: App) -> None:
        client = await peer(app)
        for number in range(500):
            await client.send(text(number))
        closing = asyncio.create_task(client.close())
        answers = [json.loads(answer) async for answer in client]
        await closing
        assert [answer["message_id"] for answer in answers] == list(range(1, 501))
        assert client.close_code == 1000

    run(tmp_path, scenario)
    assert len(entries(tmp_path)) == 500


def test_a_stopping_server_answers_what_has_come_and_says_goodbye(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_app(tmp_path) as app:
            client = await peer(app)
            await client.send(text(0))
            assert (await reply(client))["status"] == "received"
            stopping = asyncio.create_task(app.stop())
            with pytest.raises(ConnectionClosed, match="1001") as caught:
                await client.recv()
            await stopping
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001

    run_scenario(scenario())


def test_message_ids_go_on_after_a_crash(tmp_path: Path) -> None:
    async def send_some(port: int) -> list[int]:
        async with connect(f"ws://127.0.0.1:{port}") as client:
            for number in range(5):
                await client.send(text(number))
            return [(await reply(client))["message_id"] for _ in range(5)]

    with ServerProcess(tmp_path, ("http",)) as server:
        assert run_scenario(send_some(server.ports["http"])) == [1, 2, 3, 4, 5]
        server.kill()
        server.start()
        assert run_scenario(send_some(server.ports["http"])) == [6, 7, 8, 9, 10]
        assert server.stop() == 0
    assert len(journal_lines(tmp_path)) == 10


def test_a_reader_that_does_not_read_misses_messages_and_delays_nobody(tmp_path: Path) -> None:
    count, size = 40, 900_000
    big = [json.dumps({"message": "x" * size, "n": number}) for number in range(count)]

    async def scenario(app: App) -> None:
        slow = await peer(app, max_queue=1, ping_interval=None)
        async with peers(app, 2) as (alice, bob):
            transport = slow.transport
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            transport.pause_reading()
            for message in big:
                await alice.send(message)
                assert (await reply(alice))["status"] == "received"
                assert await bob.recv() == message
            transport.resume_reading()
            seen: list[int] = []
            dropped = 0
            while not seen or seen[-1] != count - 1:
                got = json.loads(await slow.recv())
                if "dropped" in got:
                    dropped += got["dropped"]
                    assert (got["type"], got["source"]) == ("status", "logboom")
                else:
                    seen.append(got["n"])
            assert dropped > 0
            assert seen == sorted(set(seen))
            assert len(seen) + dropped == count
            await slow.close()

    run(tmp_path, scenario, line_bytes_max=1 << 20)

"""`/api/why`: the fate of a line, as far as the server can know it."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from typer.testing import CliRunner, Result

from logboom.app import App
from logboom.cli import app as cli
from logboom.config import parse
from logboom.journal.retention import Retention
from logboom.ops.oplog import OperationalLog
from logboom.query.line_question import LineQuestion
from logboom.testing.output_kit import write_journal
from tests.kit.app_kit import run_scenario, until

Ask = Callable[..., Awaitable[dict[str, Any]]]


def line(seq: int, boot: int = 3, **more: Any) -> bytes:
    return msgspec.json.encode(
        {"boot_seq": boot, "uptime_ms": seq * 1000, "seq": seq, "device": "pump-1", **more}
    )


def run(data_dir: Path, steps: Callable[[App, Ask, int], Awaitable[None]]) -> None:
    """Run some steps with a server, a function that asks it, and the port of its devices."""
    place = {"host": "127.0.0.1", "port": 0}
    table = {
        "data_dir": str(data_dir),
        "listeners": {name: {"protocol": name, **place} for name in ("device", "http")},
        "outputs": {
            "all": {"type": "jsonl", "path": str(data_dir / "all.jsonl")},
            "hot": {"type": "jsonl", "path": str(data_dir / "hot.jsonl"), "filter": "temp:>80"},
        },
    }

    async def scenario() -> None:
        app = App(parse(table), OperationalLog(stream=io.StringIO()))
        await app.start()
        try:
            ports = {name: one.service.ports[0] for name, one in app.listeners.items()}
            async with aiohttp.ClientSession(f"http://127.0.0.1:{ports['http']}") as session:

                async def ask(status: int = 200, **words: Any) -> dict[str, Any]:
                    async with session.get("/api/why", params=words) as answer:
                        assert answer.status == status, await answer.text()
                        return dict(await answer.json())

                await steps(app, ask, ports["device"])
        finally:
            await app.stop()

    run_scenario(scenario())


async def send(port: int, *lines: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for one in lines:
        writer.write(one + b"\n")
        assert await reader.readline()
    return reader, writer


async def refuse(app: App, writer: asyncio.StreamWriter, bad: bytes, number: int) -> None:
    writer.write(bad + b"\n")
    await until(lambda: app.monitor.refused is not None and len(app.monitor.refused) == number)


def command(*words: str) -> Result:
    return CliRunner().invoke(cli, ["why", *words])


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def read_all(app: App) -> None:
    book = app.monitor.devices
    assert book is not None
    await until(lambda: book.position == app.journal.log.end)
    await until(
        lambda: all(one.service.runner.position == book.position for one in app.monitor.outputs.values())
    )


def test_stored_sent_again_refused_missing_and_not_known(tmp_path: Path) -> None:
    async def steps(app: App, ask: Ask, port: int) -> None:
        bad = line(9)[:-1] + b",}"
        _, first = await send(port, line(0), line(1, msg="valve open", temp=90), line(4))
        _, again = await send(port, line(1, msg="valve open", temp=90))
        again.write(bad + b"\n" + line(5) + b"\n")
        await again.drain()
        await until(lambda: app.journal.log.end == 4)
        await read_all(app)

        found = await ask(source="pump-1", boot=3, seq=1)
        [stored] = found["stored"]
        assert (found["verdict"], stored["sequence"], stored["sent"], stored["packed"]) == (
            "stored",
            1,
            2,
            False,
        )
        assert stored["segment"] == "00000000000000000000.jsonl"
        assert stored["outputs"] == {"all": "delivered", "hot": "delivered"}
        assert "sent 2 times, stored once" in found["text"][0]
        assert (await ask(source="pump-1", boot=3, seq=0))["stored"][0]["outputs"][
            "hot"
        ] == "left out by its filter"
        by_text = await ask(text="valve open")
        assert [one["sequence"] for one in by_text["stored"]] == [1]
        at = stored["received_at"]
        assert stored["sequence"] in [
            one["sequence"] for one in (await ask(time=at, source="pump-1"))["stored"]
        ]

        found = await ask(source="pump-1", boot=3, seq=2)
        gap = found["missing"]
        assert (found["verdict"], gap["first"], gap["last"], gap["connected"]) == ("missing", 2, 3, True)
        assert (gap["before"]["sequence"], gap["after"]["sequence"]) == (1, 2)

        found = await ask(source="pump-1", boot=3, seq=9)
        assert (found["verdict"], found["refused"][0]["text"]) == ("refused", bad.decode())
        found = await ask(source="pump-1", boot=3, seq=700)
        assert (found["verdict"], found["text"]) == (
            "not known",
            ["it has not come: the last line of this boot has seq 5"],
        )
        found = await ask(source="nobody", boot=3, seq=1)
        assert (found["verdict"], found["complete"], found["stored"], found["missing"]) == (
            "not known",
            True,
            [],
            None,
        )
        url = f"http://127.0.0.1:{app.listeners['http'].service.ports[0]}"
        shown = await asyncio.to_thread(command, "valve open", "--url", url)
        assert (shown.exit_code, shown.stdout.startswith("✅ stored\n  stored as entry 1 at ")) == (0, True)
        shown = await asyncio.to_thread(
            command, "--source", "pump-1", "--boot", "3", "--seq", "2", "--url", url
        )
        assert (shown.exit_code, shown.stdout.splitlines()[0]) == (1, "❌ missing")
        assert (await asyncio.to_thread(command, "--source", "pump-1", "--url", url)).exit_code == 2
        for writer in (first, again):
            await hang_up(writer)

    run(tmp_path, steps)


def test_a_line_that_retention_has_deleted_and_one_that_fell_between_two_connections(tmp_path: Path) -> None:
    write_journal(
        tmp_path, [line(seq) for seq in range(6)], segment_lines=2, sources=[("127.0.0.1", "device")]
    )

    async def steps(app: App, ask: Ask, port: int) -> None:
        await read_all(app)
        assert (await ask(source="pump-1", boot=3, seq=0))["verdict"] == "stored"
        Retention(age_max_s=None, bytes_max=1).apply(app.journal.folder, app.journal.log.end)
        found = await ask(source="pump-1", boot=3, seq=0)
        assert (found["verdict"], len(found["deleted"]) > 0) == ("deleted", True)
        assert found["deleted"][-1]["segment"] == "00000000000000000000.jsonl"
        for seq in (10, 14):
            reader, writer = await send(port, line(seq, boot=9))
            writer.write_eof()
            assert await reader.read() == b""
            await hang_up(writer)
        await read_all(app)
        found = await ask(source="pump-1", boot=9, seq=12)
        assert (found["verdict"], found["missing"]["connected"]) == ("missing", False)
        assert found["text"][-1] == "between these, the device was not connected all the time"

    run(tmp_path, steps)


def test_questions_that_name_no_line_get_no_answer_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    async def steps(app: App, ask: Ask, port: int) -> None:
        for words in ({}, {"source": "a"}, {"seq": 1}, {"seq": 1, "source": "a"}):
            found = await ask(**words)
            assert (found["verdict"], found["text"][0][:8]) == ("not known", "ask with")
        for wrong in ({"text": "a", "what": 1}, {"boot": -1}, {"seq": "x"}, {"time": "soon"}):
            await ask(**wrong, status=400)
        for name, word in (("text", "a\0b"), ("text", "x" * 3000), ("time", "9999-12-31T23:59:59-14:00")):
            assert name in (await ask(**{name: word}, status=400))["error"]

    run(tmp_path, steps)


def test_a_long_text_several_lines_and_the_last_time_are_looked_for(tmp_path: Path) -> None:
    async def steps(app: App, ask: Ask, port: int) -> None:
        long = " ".join(f"word{number}" for number in range(400))
        _, writer = await send(port, line(0, msg=long))
        await refuse(app, writer, b"{" + long.encode(), 1)
        found = await ask(text=long)
        assert (found["verdict"], len(found["refused"])) == ("stored", 1)
        for words in ({"text": "one\ntwo"}, {"text": '"' * 1500}, {"time": "9999-12-31T23:59:59Z"}):
            assert (await ask(**words))["verdict"] == "not known"
        await hang_up(writer)

    run(tmp_path, steps)


def test_lines_that_are_refused_while_it_looks_do_not_disturb(tmp_path: Path) -> None:
    async def steps(app: App, ask: Ask, port: int) -> None:
        _, writer = await send(port, line(0))
        await refuse(app, writer, b"{bad 1", 1)
        explain = app._operations.why(LineQuestion(text="bad"), app.journal.log, lambda: False)
        await refuse(app, writer, b"{bad 2", 2)
        assert len((await asyncio.to_thread(explain))["refused"]) == 1
        await hang_up(writer)

    run(tmp_path, steps)

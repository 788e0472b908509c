"""`POST /api/sql`: answers, refusals, tokens, and a confined server."""

import asyncio
import io
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from logboom.pipeline.tokens import add_token
from logboom.query.sql import sql_engine
from logboom.query.sql.sql_engine import why_not
from tests.kit.app_kit import port_of, run_scenario, running_app, until

needs_sql = pytest.mark.skipif(bool(why_not()), reason=why_not())

ENTRIES = b"".join(b'{"level":"%b","n":%d}\n' % (level, n) for n, level in enumerate((b"info", b"error") * 3))
SLOW = "select count(*) from range(1000000000) a, range(1000000) b"


@needs_sql
def test_answers_refusals_log_and_metrics(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = io.StringIO()
        async with (
            running_app(tmp_path, log=log) as app,
            aiohttp.ClientSession(f"http://127.0.0.1:{port_of(app)}") as session,
        ):
            await session.post("/api/entries", data=ENTRIES)

            async def ask(**body: Any) -> tuple[int, Any]:
                async with session.post("/api/sql", json=body) as answer:
                    return answer.status, await answer.json()

            assert await ask(query="select level, sum(n) as n from logs group by 1 order by 1") == (
                200,
                {
                    "columns": [{"name": "level", "type": "VARCHAR"}, {"name": "n", "type": "DOUBLE"}],
                    "rows": [["ERROR", 9], ["INFO", 6]],
                    "truncated": False,
                },
            )
            assert (await ask(query="select n from logs order by n", limit=2))[1]["truncated"]
            assert (await ask(query="select count(*) from logs", until="2001-01-01"))[1]["rows"] == [[0]]
            async with session.post("/api/sql", json={"query": "select 1 as a", "format": "csv"}) as answer:
                assert (answer.content_type, await answer.text()) == ("text/csv", "a\r\n1\r\n")
            async with session.post("/api/sql", json={"query": "select 1 a", "format": "parquet"}) as answer:
                assert (await answer.read())[:4] == b"PAR1"

            status, refused = await ask(query="copy logs to '/tmp/x'")
            assert (status, refused["parameter"]) == (400, "query")
            assert "only SELECT is allowed, found COPY" in refused["error"]
            assert (await ask(query="select 1", since="never"))[0] == 400
            assert (await ask(query="select 1", limit=0))[0] == 400
            assert (await ask(quarry="select 1"))[0] == 400
            assert (await ask(query="x" * 200_000))[0] == 413

            app.settings.sql.time_s_max = 0.2
            status, failed = await ask(query=SLOW)
            assert (status, "sql.time_s_max" in failed["error"]) == (422, True)
            app.settings.sql.time_s_max = 60.0
            slow = asyncio.create_task(session.post("/api/sql", json={"query": SLOW}))
            service = app.monitor.sql
            assert service is not None
            await until(lambda: bool(service._askers))
            async with session.post("/api/sql", json={"query": "select 1"}) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            slow.cancel()  # its client goes away, and so does the query
            await until(lambda: not service._askers)
            async with session.get("/metrics") as answer:
                metrics = await answer.text()
            assert 'logboom_sql_queries_total{outcome="done"} 5.0' in metrics
            assert 'logboom_sql_queries_total{outcome="refused"} 1.0' in metrics
            assert 'logboom_sql_queries_total{outcome="failed"} 2.0' in metrics
        assert "refused in " in log.getvalue()
        assert "only SELECT is allowed, found COPY: copy logs to '/tmp/x'" in log.getvalue()

    run_scenario(scenario())


@needs_sql
def test_a_token_needs_the_scope_read_and_has_one_query_at_a_time(tmp_path: Path) -> None:
    tokens = {
        name: add_token(tmp_path / "tokens.json", name, (scope,))
        for name, scope in (("sender", "write"), ("anna", "read"), ("berta", "read"))
    }

    async def scenario() -> None:
        async with (
            running_app(tmp_path, auth="token") as app,
            aiohttp.ClientSession(f"http://127.0.0.1:{port_of(app)}") as session,
        ):

            async def status(name: str, query: str) -> int:
                headers = {"Authorization": f"Bearer {tokens[name]}"} if name else {}
                async with session.post("/api/sql", json={"query": query}, headers=headers) as answer:
                    return answer.status

            assert await status("", "select 1") == 401
            assert await status("sender", "select 1") == 403
            slow = asyncio.create_task(status("anna", SLOW))
            service = app.monitor.sql
            assert service is not None
            await until(lambda: bool(service._askers))
            assert await status("anna", "select 1") == 503
            assert await status("berta", "select 1") == 200
            slow.cancel()

    run_scenario(scenario())


def test_without_the_extra_the_answer_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_engine, "is_missing", lambda extra: extra == "archive")

    async def scenario() -> None:
        async with (
            running_app(tmp_path) as app,
            aiohttp.ClientSession(f"http://127.0.0.1:{port_of(app)}") as session,
            session.post("/api/sql", json={"query": "select 1"}) as answer,
        ):
            assert answer.status == 501
            assert "pip install 'logboom[archive]'" in (await answer.json())["error"]

    run_scenario(scenario())

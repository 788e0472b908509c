"""The app closes every part that it opened, the last one first, however far its start came."""

import asyncio
import io
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from logboom.app import App
from logboom.config import parse
from logboom.errors import ListenerError
from logboom.ops.oplog import OperationalLog
from tests.kit.app_kit import port_of, run_scenario, running_app


def test_a_start_that_fails_half_way_closes_what_was_opened(tmp_path: Path) -> None:
    log = io.StringIO()

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listener = {"protocol": "device", "host": "127.0.0.1"}
            listeners = {
                "first": {**listener, "port": 0},
                "second": {**listener, "port": taken.getsockname()[1]},
            }
            app = App(parse({"data_dir": str(tmp_path), "listeners": listeners}), OperationalLog(stream=log))
            with pytest.raises(ListenerError, match="second"):
                await app.start()
        assert app.listeners["first"].service.ports == []
        async with running_app(tmp_path, "device") as another:  # the data directory is free again
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(another))
            writer.close()

    run_scenario(scenario())
    assert log.getvalue().count("stopped") == 1


def test_a_second_stop_changes_nothing(tmp_path: Path) -> None:
    log = io.StringIO()

    async def scenario() -> None:
        async with running_app(tmp_path, "device", log=log) as app:
            await app.stop()

    run_scenario(scenario())
    assert log.getvalue().count("stopped") == 1


def test_a_part_that_fails_to_close_keeps_no_other_part_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_deadline_s: float) -> None:
        raise RuntimeError("no close, says the test")

    async def scenario() -> None:
        with pytest.raises(RuntimeError, match="no close"):
            async with running_app(tmp_path, "device") as app:
                monkeypatch.setattr(app.alerts, "close", fail)
        async with running_app(tmp_path, "device"):
            pass

    run_scenario(scenario())


def test_a_server_of_devices_alone_loads_no_http_stack() -> None:
    code = "import sys, logboom.app, logboom.servers.tcp; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

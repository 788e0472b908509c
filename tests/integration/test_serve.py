"""`logboom serve` as its users meet it: real processes, real sockets, plain clients."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from logboom.testing.ports import free_port
from logboom.testing.server_kit import ServerProcess

DEVICE_LINE = b'{"boot_seq":3,"uptime_ms":45000,"seq":42,"ts":null,"level":"info","msg":"WiFi connected"}'
READING = b'{"id":"e4643048d7292c2e","time":"2025-10-02 17:58:37","temp":24.10,"rh":50.50,"lux":546.60}'


def logboom(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "logboom", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def exchange(server: ServerProcess, listener: str, data: bytes) -> bytes:
    """Send everything, say that no more will come, read until the server closes: what `nc -N` does."""
    with server.connect(listener) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_device_line_gets_its_ack_and_stands_in_the_journal(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("device",)) as server:
        with server.connect("device") as client:
            client.sendall(DEVICE_LINE + b"\n")
            assert client.recv(1024) == b'{"ack":1}\n'
        [line] = server.journal_lines()
        assert server.stop() == 0
    stored = json.loads(line)
    assert stored["entry"] == json.loads(DEVICE_LINE)
    assert stored["source"] == "127.0.0.1"
    assert stored["listener"] == "device"
    assert stored["received_at"].endswith("+00:00")
    assert b'"entry":' + DEVICE_LINE + b"," in line


def test_the_collector_answers_pipelined_lines_in_order(tmp_path: Path) -> None:
    lines = [
        (b'{"level":"ERROR","message":"disk full"}', b'{"status":"ok","message":"received"}'),
        (b'{"level":"debug","message":"x"}', b'{"status":"ok","message":"filtered"}'),
        (b"nonsense", b'{"status":"error","message":"invalid JSON"}'),
        (b"[1]", b'{"status":"error","message":"expected JSON object"}'),
        (b'{"level":"INFO"}', b'{"status":"error","message":"missing required fields: level, message"}'),
        (b'{"level":"ODD","message":"kept"}', b'{"status":"ok","message":"received"}'),
        (b'"' + b"x" * (1 << 20) + b'"', b'{"status":"error","message":"line too long"}'),
        (b'{"level":"WARN","message":"the end, without newline"}', b'{"status":"ok","message":"received"}'),
    ]
    with ServerProcess(tmp_path, ("collector",)) as server:
        replies = exchange(server, "collector", b"\n\n".join(line for line, _ in lines))
        assert replies.splitlines() == [reply for _, reply in lines]
        assert len(server.journal_lines()) == 3


def test_the_collectors_hundred_and_first_line_in_a_minute_is_limited(tmp_path: Path) -> None:
    with ServerProcess(
        tmp_path, ("collector",), ("--profile=collector",), {"LOG_DIR": str(tmp_path)}
    ) as server:
        replies = exchange(server, "collector", b'{"level":"INFO","message":"x"}\n' * 103).splitlines()
        again = exchange(server, "collector", b'{"level":"INFO","message":"x"}\n')
    assert replies[:100] == [b'{"status":"ok","message":"received"}'] * 100
    for reply in [*replies[100:], again]:
        answer = json.loads(reply)
        assert (answer["status"], answer["message"]) == ("error", "rate limit exceeded")
        assert 0 < answer["retry_after_s"] <= 60


def test_a_gateway_object_without_newline_is_stored_at_the_end_and_never_answered(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("gateway",)) as server:
        assert exchange(server, "gateway", READING + READING) == b""
        assert [json.loads(line)["entry"]["temp"] for line in server.journal_lines()] == [24.1, 24.1]


def test_bad_lines_get_one_warning_each_with_peer_and_reason(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("device",)) as server:
        assert exchange(server, "device", b"bad\n" + DEVICE_LINE + b'\n{"boot_seq":1}\n') == b'{"ack":1}\n'
        server.wait_for(lambda event: "uptime_ms" in event["message"])
        warnings = [event["message"] for event in server.events if "line refused" in event["message"]]
    assert len(warnings) == 2
    assert all("127.0.0.1" in warning for warning in warnings)


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("device",)) as server:
        second = logboom(
            "serve", f"--data-dir={tmp_path}", "--only=device", f"--listen=device=127.0.0.1:{free_port()}"
        )
        assert second.returncode == 1
        assert "another Logboom server" in second.stderr
        assert server.process is not None
        assert str(server.process.pid) in second.stderr
        assert "Traceback" not in second.stderr
        assert exchange(server, "device", DEVICE_LINE) == b'{"ack":1}\n'


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = logboom(
            "serve", f"--data-dir={tmp_path}", "--only=device", f"--listen=device=127.0.0.1:{port}"
        )
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr
    assert "--listen device=HOST:PORT" in result.stderr


def test_what_the_server_writes_is_for_its_user_and_group_only(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ("device",), (f"--log-file={tmp_path / 'all.jsonl'}",)) as server:
        assert exchange(server, "device", DEVICE_LINE) == b'{"ack":1}\n'
        assert server.stop() == 0
    files = {
        path.name: path.stat().st_mode & 0o027 for path in (tmp_path / "data").rglob("*") if path.is_file()
    }
    assert {"sources.json", "00000000000000000000.jsonl"} <= files.keys()
    assert set(files.values()) == {0}


def test_sigterm_answers_what_is_in_flight_and_flushes_the_outputs(tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl"
    lines = [b'{"boot_seq":1,"uptime_ms":%d}' % number for number in range(5000)]
    server = ServerProcess(tmp_path / "data", ("device",), (f"--log-file={output}",)).start()
    with server.connect("device") as client:
        client.sendall(b"\n".join(lines) + b"\n")
        assert client.recv(10, socket.MSG_WAITALL) == b'{"ack":1}\n'
        assert server.stop() == 0
        acked = 1 + b"".join(iter(lambda: client.recv(65536), b"")).count(b'{"ack":1}\n')
    written = [json.loads(line)["entry"] for line in output.read_bytes().splitlines()]
    assert len(written) == len(server.journal_lines()) >= acked
    assert written == [json.loads(line) for line in lines[: len(written)]]


def test_sighup_takes_over_limits_and_keeps_the_old_ones_when_the_file_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "logboom.toml"
    file.write_text("[listeners.collector]\nlevel_min = 'ERROR'\n")
    with ServerProcess(tmp_path / "data", ("collector",), (f"--config={file}",)) as server:
        assert server.process is not None
        assert b"filtered" in exchange(server, "collector", b'{"level":"INFO","message":"x"}\n')
        file.write_text("[listeners.collector]\nlevel_min = 'LOUD'\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(
            lambda event: "nothing was changed" in event["message"] and "level_min" in event["message"]
        )
        assert b"filtered" in exchange(server, "collector", b'{"level":"INFO","message":"x"}\n')
        file.write_text("[listeners.collector]\nlevel_min = 'DEBUG'\nack = 'written'\n")
        server.process.send_signal(signal.SIGHUP)
        told = server.wait_for(lambda event: event["message"].startswith("reloaded"))
        assert "listeners.collector.ack" in told["message"]
        assert b"received" in exchange(server, "collector", b'{"level":"INFO","message":"x"}\n')


def test_ipv6_and_ipv4_at_once(tmp_path: Path) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    port = free_port()
    server = ServerProcess(tmp_path, ("device",))
    server.ports = {"device": port}
    server.command = lambda: [  # type: ignore[method-assign]
        *[sys.executable, "-m", "logboom", "serve", f"--data-dir={tmp_path}", "--log-format=json"],
        *["--only=device", f"--listen=device=*:{port}"],
    ]
    with server:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), timeout=30) as client:
                client.sendall(DEVICE_LINE + b"\n")
                assert client.recv(1024) == b'{"ack":1}\n'
        assert [json.loads(line)["source"] for line in server.journal_lines()] == ["127.0.0.1", "::1"]


def test_the_collector_profile_reads_its_documents_environment(tmp_path: Path) -> None:
    environment = {
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": str(free_port()),
        "MIN_LOG_LEVEL": "warning",
        "LOG_DIR": str(tmp_path / "logs"),
        "LOG_FILENAME": "mine.log",
        "RATE_LIMIT_MAX_REQUESTS": "2",
        "BUFFER_SIZE": "4096",
    }
    server = ServerProcess(tmp_path / "data", ("collector",), ("--profile=collector",), environment)
    server.ports = {"collector": int(environment["SERVER_PORT"])}
    server.command = lambda: [  # type: ignore[method-assign]
        *[sys.executable, "-m", "logboom", "serve", "--profile=collector"],
        *[f"--data-dir={tmp_path / 'data'}", "--log-format=json"],
    ]
    with server:
        lines = b'{"level":"ERROR","message":"disk\\nfull"}\n{"level":"INFO","message":"x"}\n'
        lines += b'{"level":"ERROR","message":"3"}\n'
        replies = [
            json.loads(reply)["message"] for reply in exchange(server, "collector", lines).splitlines()
        ]
        assert replies == ["received", "filtered", "rate limit exceeded"]
        assert server.stop() == 0
    [line] = (tmp_path / "logs" / "mine.log").read_text().splitlines()
    assert line.endswith(" [ERROR] disk\\nfull")


def test_persistence_off_still_says_received(tmp_path: Path) -> None:
    environment = {"ENABLE_LOG_PERSISTENCE": "no", "LOG_DIR": str(tmp_path / "logs")}
    server = ServerProcess(tmp_path / "data", ("collector",), ("--profile=collector",), environment)
    with server:
        assert exchange(server, "collector", b'{"level":"INFO","message":"x"}\n') == (
            b'{"status":"ok","message":"received"}\n'
        )
        assert server.stop() == 0
        assert server.journal_lines() == []
    assert not (tmp_path / "logs" / "server.log").exists()


def test_the_gateways_host_is_not_the_pages(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("gateway", "http"), ("--profile=gateway", "--host=0.0.0.0")) as server:
        exchange(server, "gateway", b'{"time":"2025-10-02 17:58:37","temp":1,"rh":2,"lux":3}\n')
        assert server.stop() == 0
        assert len(server.journal_lines()) == 1


def test_simulated_clients_of_all_three_kinds_get_through(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("device", "gateway", "collector")) as server:
        for kind, listener in (("device", "device"), ("sensor", "gateway"), ("app", "collector")):
            url = f"tcp://127.0.0.1:{server.ports[listener]}"
            result = logboom("simulate", kind, "--to", url, "--count", "20", "--rate", "0")
            assert result.returncode == 0, result.stderr
        assert server.stop() == 0
        listeners = [json.loads(line)["listener"] for line in server.journal_lines()]
    assert listeners.count("gateway") == 20
    assert listeners.count("device") >= 20
    assert listeners.count("collector") >= 1


def test_send_waits_for_the_acks_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b"".join(b'{"boot_seq":1,"uptime_ms":%d}\n' % number for number in range(3000)))
    with ServerProcess(tmp_path / "data", ("device",)) as server:
        url = f"tcp://127.0.0.1:{server.ports['device']}"
        result = logboom("send", str(file), "--to", url, "--as", "device")
        assert result.returncode == 0, result.stderr
        assert len(server.journal_lines()) == 3000


def test_verify_finds_a_flipped_bit_and_repair_keeps_the_rest(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("device",)) as server:
        exchange(
            server, "device", b"".join(b'{"boot_seq":1,"uptime_ms":%d}\n' % number for number in range(100))
        )
        assert server.stop() == 0
    assert logboom("verify", "--data-dir", str(tmp_path)).returncode == 0
    [segment] = (tmp_path / "journal").glob("*.jsonl")
    data = bytearray(segment.read_bytes())
    data[data.index(b'"uptime_ms":50') - 1] ^= 8
    segment.write_bytes(data)
    found = logboom("verify", "--data-dir", str(tmp_path))
    assert found.returncode == 1
    assert "sequence 50" in found.stdout
    assert logboom("verify", "--repair", "--data-dir", str(tmp_path)).returncode == 0
    assert logboom("verify", "--data-dir", str(tmp_path)).returncode == 0
    with ServerProcess(tmp_path, ("device",)) as server:
        exchange(server, "device", b'{"boot_seq":1,"uptime_ms":100}\n')
        entries = [json.loads(line)["entry"]["uptime_ms"] for line in server.journal_lines()]
    assert entries == [number for number in range(101) if number != 50]


def test_verify_is_safe_beside_a_running_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("device",)) as server:
        exchange(server, "device", DEVICE_LINE)
        [segment] = (tmp_path / "journal").glob("*.jsonl")
        with segment.open("ab") as file:  # as a write in progress looks
            file.write(b'{"received_at":')
        beside = logboom("verify", "--data-dir", str(tmp_path))
        assert beside.returncode == 0, beside.stdout
        refused = logboom("verify", "--repair", "--data-dir", str(tmp_path))
        assert refused.returncode == 1
        assert "another Logboom server" in refused.stderr
    assert logboom("verify", "--data-dir", str(tmp_path)).returncode == 1


def test_the_start_names_the_pages_url(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, ("http",)) as server:
        texts = [event["message"] for event in server.events]
        assert f"the page is at http://127.0.0.1:{server.ports['http']}/" in texts

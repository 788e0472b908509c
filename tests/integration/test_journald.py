"""`journald`: uploads of the systemd journal are stored as they come, and once."""

import json
import socket
from pathlib import Path
from typing import Any

from tests.kit.app_kit import FailingDisk, journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.captured import answer_to, replay

CAPTURE = "journal/journal-upload.bin"
TYPE = "application/vnd.fdo.journal"


def entries_of(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["entry"] for line in journal_lines(data_dir)]


def upload(port: int, body: bytes, content_type: str = TYPE) -> tuple[int, bytes]:
    head = f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
    return answer_to(port, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def test_a_real_upload_is_stored_once(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("journald",)) as app:
        for _ in range(2):
            assert replay(app.port("journald"), CAPTURE) == [(202, b"OK.\n")]
    first, second, third = entries_of(tmp_path)
    assert first["message"] == "pump started"
    assert first["time"] == 1796051350875807000
    assert (second["level"], second["source"], second["host"]) == ("WARNING", "pumps", "pi4")
    assert second["labels"] == {"unit": "pumps.service", "boot_id": "0123456789abcdef" * 2}
    assert second["attributes"]["__MONOTONIC_TIMESTAMP"] == "5001000"
    assert third["message"].startswith("two\nlines")


def test_entries_are_stored_before_the_upload_ends(tmp_path: Path) -> None:
    entry = b"__CURSOR=%d\nMESSAGE=m%d\n\n"
    with (
        AppThread(tmp_path, ("journald",)) as app,
        socket.create_connection(("127.0.0.1", app.port("journald"))) as connection,
    ):
        head = (
            f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(head.encode())
        for number in range(2):
            data = entry % (number, number)
            connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))
            app.until(lambda: app.app.journal.log.end == number + 1)  # noqa: B023 - it is called at once
        connection.close()  # the client is killed, and sends all again
        again = b"".join(entry % (number, number) for number in range(3))
        assert upload(app.port("journald"), again) == (202, b"OK.\n")
    assert [entry["message"] for entry in entries_of(tmp_path)] == ["m0", "m1", "m2"]


def test_an_upload_waits_while_nothing_can_be_stored(tmp_path: Path) -> None:
    disk = FailingDisk()
    with AppThread(tmp_path, ("journald",), disk) as app:
        disk.failing = True
        body = b"__CURSOR=1\nMESSAGE=held\n\n"
        with socket.create_connection(("127.0.0.1", app.port("journald"))) as connection:
            head = f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            counters = app.app.listeners["journald"].service.intake.counters
            app.until(lambda: sum(counters.verdicts.values()) >= 2)  # it was tried more than once
            disk.failing = False
            assert connection.recv(100).startswith(b"HTTP/1.1 202 ")
    assert [entry["message"] for entry in entries_of(tmp_path)] == ["held"]


def test_an_upload_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("journald",)) as app:
        port = app.port("journald")
        assert upload(port, b"A=1\n\n", "application/json")[0] == 415
        assert upload(port, b"A=1\nMESSAGE=whole\n\nno field") == (400, b"the last entry breaks off\n")
        assert upload(port, b"")[0] == 202
        status, _ = answer_to(port, b"GET /upload HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status == 405
    assert [entry["message"] for entry in entries_of(tmp_path)] == ["whole"]

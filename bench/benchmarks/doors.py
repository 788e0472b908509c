"""The doors of other protocols: records per second of the server's processor time, stored and answered."""

import http.client
import socket
import time
from functools import partial
from pathlib import Path
from typing import Final

from bench.benchmarks.protocols import stored_figures
from bench.door_bodies import DOORS, Door
from bench.plan import Plan
from bench.subjects.base import HOST, Launch, Server, ServerError, Subject
from bench.subjects.listener import LogboomListener
from bench.trial import Trial, run_trial, trial_directory

NAME: Final = "doors"
BODY_RECORDS: Final = 2000


class LogboomDoor(LogboomListener):
    """A server with the receiver of one other protocol."""

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        command = super().launch(directory, port).command
        return Launch([*command, "--with", self.listener])


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All trials, alternating."""
    if not any(subject.name == "logboom" for subject in subjects):
        return []
    return [
        run_trial(subject, partial(_measure, plan, subject, door), what=door.what, round=number)
        for number in range(plan.trials)
        for door in DOORS
        for subject in (LogboomDoor(door.listener, plan.logboom),)
    ]


def _measure(plan: Plan, subject: LogboomDoor, door: Door) -> Trial:
    rounds = max(1, plan.lines // 10 // BODY_RECORDS)
    bodies = [door.body(number * BODY_RECORDS, BODY_RECORDS) for number in range(rounds)]
    send = _post if door.path else _stream
    with trial_directory(plan.directory) as directory:
        with Server(subject, directory) as server:
            cpu_before, started = server.cpu_s(), time.monotonic()
            send(server.port, door, bodies)
            seconds, cpu_s = time.monotonic() - started, server.cpu_s() - cpu_before
            peak = server.peak_rss_mib()
        record = stored_figures(subject, directory, rounds * BODY_RECORDS, seconds, cpu_s, peak)
    return record | {"per_cpu_s": rounds * BODY_RECORDS / cpu_s}


def _stream(port: int, _door: Door, bodies: list[bytes]) -> None:
    """Send all, half-close, and read until the server closes: it does so after the last commit."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        for body in bodies:
            connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass


def _post(port: int, door: Door, bodies: list[bytes]) -> None:
    """Send one request after the other on one connection."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    headers = dict(header.split(": ", 1) for header in door.headers)
    for body in bodies:
        connection.request("POST", door.path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise ServerError(f"{door.what}: {answer.status} {text[:200]!r}")
    connection.close()

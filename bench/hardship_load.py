"""Load generators: short connections, slow senders, and one well-behaved client in parallel."""

import select
import socket
import time
from array import array
from collections import deque
from typing import Final

from bench.line import ACK, LINE_BYTES, line
from bench.load import HOST, LoadError, await_go, connect, connect_many, emit, latencies, own_cpu_s

OPEN_MAX: Final = 20_000
"""Most concurrent connections, so that a server without answers does not use up this process's descriptors."""

DRAIN_S: Final = 10.0
HONEST_PAUSE_S: Final = 0.005
"""Pause between two lines of the well-behaved client: hundreds of latencies per second with little load."""

DRIBBLE_S: Final = 1.0
"""Pause between two bytes of a slow sender."""


class Churn:
    """Connections that open, send one line, read its ack and close, on a schedule.

    Args:
        port: of the `device` listener.
        per_s: new connections per second.
    """

    def __init__(self, port: int, per_s: float) -> None:
        self.latencies = array("d")
        """From connect to ack, seconds."""
        self.started = self.open_max = 0
        self.lateness_s_max = 0.0
        self._port = port
        self._step_s = 1 / per_s
        self._open: dict[int, tuple[socket.socket, float, int]] = {}
        self._poller = select.epoll()

    def run(self, seconds: float) -> None:
        """Open on schedule for so long, then wait for the last acks."""
        begin, total = time.monotonic(), round(seconds / self._step_s)
        while self.started < total:
            due_at = begin + self.started * self._step_s
            now = time.monotonic()
            if now >= due_at:
                self.lateness_s_max = max(self.lateness_s_max, now - due_at)
                self._visit()
            else:
                self._serve(min(0.001, due_at - now))
        ends_at = time.monotonic() + DRAIN_S
        while self._open and time.monotonic() < ends_at:
            self._serve(0.05)
        if self._open:
            raise LoadError(f"{len(self._open)} connections got no ack in {DRAIN_S:.0f} s")

    def _visit(self) -> None:
        if len(self._open) >= OPEN_MAX:
            raise LoadError(f"{OPEN_MAX} connections wait for their ack")
        visitor = socket.socket()
        visitor.settimeout(0)
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        visitor.connect_ex((HOST, self._port))
        self._poller.register(visitor.fileno(), select.EPOLLOUT)
        self._open[visitor.fileno()] = (visitor, time.monotonic(), self.started)
        self.started += 1
        self.open_max = max(self.open_max, len(self._open))
        self._serve(0)

    def _serve(self, timeout_s: float) -> None:
        for descriptor, ready in self._poller.poll(timeout_s):
            visitor, since, number = self._open[descriptor]
            if ready & select.EPOLLIN:
                reply = visitor.recv(1024)
                if reply != ACK:
                    raise LoadError(f"expected one ack, found {reply!r}")
                self.latencies.append(time.monotonic() - since)
                self._poller.unregister(descriptor)
                del self._open[descriptor]
                visitor.close()
            elif ready & (select.EPOLLERR | select.EPOLLHUP):
                trouble = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                raise LoadError(f"a connection failed with error {trouble}")
            else:
                if visitor.send(line(number)) != LINE_BYTES:
                    raise LoadError("a socket took a line in part")
                self._poller.modify(descriptor, select.EPOLLIN)


def churn(port: int, per_s: float, duration_s: float) -> None:
    """Visitors that come and go."""
    await_go()
    visits = Churn(port, per_s)
    cpu_before, begin = own_cpu_s(), time.monotonic()
    visits.run(duration_s)
    emit(
        "done",
        lines=visits.started,
        seconds=time.monotonic() - begin,
        open_max=visits.open_max,
        late_ms_max=visits.lateness_s_max * 1000,
        cpu_s=own_cpu_s() - cpu_before,
        **latencies(visits.latencies),
    )


def honest(port: int, duration_s: float) -> None:
    """One client that sends a line, reads its ack, rests a little; for as long as the others misbehave."""
    with connect(port) as connection:
        connection.settimeout(30)
        await_go()
        taken = array("d")
        ends_at = time.monotonic() + duration_s
        while time.monotonic() < ends_at:
            sent_at = time.monotonic()
            connection.sendall(line(len(taken)))
            if (reply := connection.recv(1024)) != ACK:
                raise LoadError(f"expected one ack, found {reply!r}")
            taken.append(time.monotonic() - sent_at)
            time.sleep(HONEST_PAUSE_S)
    emit("done", lines=len(taken), **latencies(taken))


def dribble(port: int, connections: int, duration_s: float) -> None:
    """Slow-loris: connections that send a line a byte a second each, and never its end."""
    sockets = deque(connect_many(port, connections))
    await_go()
    data, sent, closed = line(0)[:-1], 0, 0
    ends_at, step_s = time.monotonic() + duration_s, DRIBBLE_S / connections
    begin, turns = time.monotonic(), 0
    while time.monotonic() < ends_at:
        if time.monotonic() < begin + turns * step_s:
            time.sleep(0.001)
            continue
        at = turns // connections % len(data)
        try:
            sent += sockets[turns % connections].send(data[at : at + 1])
        except OSError:
            closed += 1
        turns += 1
    emit("done", lines=0, bytes=sent, refused=closed)

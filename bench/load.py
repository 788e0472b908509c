"""Load generators; each runs in a separate process, so that the server's CPU is measured separately.

`python -m bench.load_process SCENARIO JSON` connects, prints `{"event":"ready"}`, waits for a line on stdin, runs,
and prints `{"event":"done",…}`. Times are CLOCK_MONOTONIC, which all processes of a machine share.
"""

import json
import resource
import select
import socket
import sys
import time
from array import array
from typing import Any, Final

from bench.line import ACK, HEAD, LINE_BYTES, NUMBER_FIRST, TAIL, payload, shares
from bench.spread import percentile

HOST: Final = "127.0.0.1"
SEND_BYTES: Final = 1 << 20  # one send call offers this much; the kernel takes what fits
RECEIVE_BYTES: Final = 1 << 18
DEADLINE_S: Final = 120.0
LINE_TAIL: Final = TAIL + b"\n"


class LoadError(Exception):
    """The server did not do what the scenario needs."""


def emit(event: str, **values: Any) -> None:
    """Send an event to the benchmark."""
    print(json.dumps({"event": event, **values}), flush=True)


def await_go() -> None:
    """Wait until the benchmark starts the load."""
    emit("ready")
    if not sys.stdin.readline():
        raise LoadError("the benchmark went away before the start")


def own_cpu_s() -> float:
    """Processor time of this generator, seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def connect(port: int) -> socket.socket:
    """One connection, ready for non-blocking use. Socket buffers are left to the kernel, which tunes them."""
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(0)
    return connection


class AckCounter:
    """Counts the acks of one connection; what is no ack is an error."""

    def __init__(self) -> None:
        self.received_bytes = 0
        self._pattern = ACK * (RECEIVE_BYTES // len(ACK) + 2)

    def take(self, data: bytes) -> None:
        """Count received bytes after comparing them with what acks look like."""
        if not data:
            raise LoadError(f"the server closed after {self.received_bytes} bytes of acks")
        start = self.received_bytes % len(ACK)
        if data != self._pattern[start : start + len(data)]:
            raise LoadError(f"expected acks, found {data[:80]!r}")
        self.received_bytes += len(data)


class Stream:
    """One connection of the throughput scenario: a built payload, sent as fast as the server takes it."""

    def __init__(self, port: int, first: int, count: int, acks: bool) -> None:
        self.data = memoryview(payload(first, count))
        self.socket = connect(port)
        self.sent = 0
        self.acks = AckCounter() if acks else None
        self.acks_bytes = count * len(ACK) if acks else 0

    def interest(self) -> int:
        """Poll events to wait for; 0 when everything is done."""
        wanted = select.EPOLLOUT if self.sent < len(self.data) else 0
        if self.acks is not None and self.acks.received_bytes < self.acks_bytes:
            wanted |= select.EPOLLIN
        return wanted

    def step(self, ready: int) -> None:
        """Send and receive once each, as far as the socket is ready."""
        if ready & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP) and self.acks is not None:
            self.acks.take(self.socket.recv(RECEIVE_BYTES))
        if ready & select.EPOLLOUT:
            self.sent += self.socket.send(self.data[self.sent : self.sent + SEND_BYTES])
            if self.sent == len(self.data) and self.acks is None:
                self.socket.shutdown(socket.SHUT_WR)


def stream(port: int, connections: int, lines: int, acks: bool) -> None:
    """Send `lines` over `connections` flat out, and read every ack when the subject gives them."""
    streams = {
        s.socket.fileno(): s for s in (Stream(port, *share, acks) for share in shares(lines, connections))
    }
    interests = {fd: s.interest() for fd, s in streams.items()}
    await_go()
    cpu_before = own_cpu_s()
    started = time.monotonic()
    with select.epoll() as poller:
        for fd, wanted in interests.items():
            poller.register(fd, wanted)
        _pump(poller, streams, interests, started + DEADLINE_S)
    finished = time.monotonic()
    count = sum(s.acks.received_bytes // len(ACK) for s in streams.values() if s.acks is not None)
    emit("done", started=started, finished=finished, acks=count, cpu_s=own_cpu_s() - cpu_before)


def _pump(
    poller: select.epoll, streams: dict[int, Stream], interests: dict[int, int], deadline: float
) -> None:
    while interests:
        events = poller.poll(1.0)
        if time.monotonic() > deadline:
            raise LoadError(f"not finished after {DEADLINE_S:.0f} s")
        for fd, ready in events:
            streams[fd].step(ready)
            wanted = streams[fd].interest()
            if not wanted:
                poller.unregister(fd)
                del interests[fd]
            elif wanted != interests[fd]:
                poller.modify(fd, wanted)
                interests[fd] = wanted


def latencies(seconds: "array[float]") -> dict[str, float]:
    """The latencies' percentiles, in milliseconds."""
    ordered = sorted(seconds)
    marks = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "p999_ms": 99.9, "max_ms": 100.0}
    return {name: percentile(ordered, percent) * 1000 for name, percent in marks.items()}


def stop_and_wait(port: int, connections: int, duration_s: float) -> None:
    """Each connection sends a line, awaits its ack, sends the next."""
    sockets = {s.fileno(): s for s in (connect(port) for _ in range(connections))}
    await_go()
    cpu_before = own_cpu_s()
    started = time.monotonic()
    with select.epoll() as poller:
        for fd in sockets:
            poller.register(fd, select.EPOLLIN)
        sent, taken = _ping_pong(poller, sockets, started + duration_s)
    finished = time.monotonic()
    emit(
        "done",
        started=started,
        finished=finished,
        lines=sent,
        acks=len(taken),
        cpu_s=own_cpu_s() - cpu_before,
        **latencies(taken),
    )


def _ping_pong(
    poller: select.epoll, sockets: dict[int, socket.socket], end: float
) -> tuple[int, "array[float]"]:
    """Run until `end`, then await the acks still owed. Returns the lines sent, and each ack's latency."""
    clock = time.monotonic
    sends = {fd: s.send for fd, s in sockets.items()}
    receives = {fd: s.recv for fd, s in sockets.items()}
    sent_at: dict[int, float] = {}
    taken = array("d")
    number = NUMBER_FIRST
    for fd, send in sends.items():
        sent_at[fd] = clock()
        send(b"%b%d%b" % (HEAD, number, LINE_TAIL))
        number += 1
    waiting = len(sends)
    while waiting:
        events = poller.poll(5.0)
        if not events:
            raise LoadError(f"{waiting} connections got no ack for 5 s")
        for fd, _ in events:
            if (reply := receives[fd](64)) != ACK:
                raise LoadError(f"expected one ack, found {reply!r}")
            now = clock()
            taken.append(now - sent_at[fd])
            if now < end:
                sent_at[fd] = now
                send_line = b"%b%d%b" % (HEAD, number, LINE_TAIL)
                number += 1
                sends[fd](send_line)
            else:
                waiting -= 1
    return number - NUMBER_FIRST, taken


def connect_many(port: int, connections: int) -> list[socket.socket]:
    """Connections in steps of 250: more at once could overrun the server's backlog, a second's wait each."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < connections + 64:
        raise LoadError(f"{hard} file descriptors allowed, expected {connections + 64}: raise ulimit -n")
    sockets: list[socket.socket] = []
    for start in range(0, connections, 250):
        sockets.extend(connect(port) for _ in range(min(250, connections - start)))
        time.sleep(0.005)
    return sockets


class Metronome:
    """Many connections that send one line a second each, evenly spread."""

    TICK_S: Final = 0.001  # epoll's own resolution: lines that fall due within it go out together

    def __init__(self, sockets: list[socket.socket], interval_s: float) -> None:
        self._sockets = sockets
        self._by_fd = {s.fileno(): s for s in sockets}
        self._sent_at: dict[int, list[float]] = {fd: [] for fd in self._by_fd}
        self._step_s = interval_s / len(sockets)
        self.latencies = array("d")
        self.lateness_s_max = 0.0
        self.sent = 0
        self.acks = 0

    def run(self, seconds: float, poller: select.epoll) -> None:
        """Send on schedule for so long; acks are read in between."""
        begin = time.monotonic()
        first, total = self.sent, round(seconds / self._step_s)
        while self.sent - first < total:
            now = time.monotonic()
            due = min(total, int((now - begin) / self._step_s) + 1)
            self.lateness_s_max = max(self.lateness_s_max, now - begin - (self.sent - first) * self._step_s)
            while self.sent - first < due:
                self._send()
            self._receive(poller, self.TICK_S)

    def drain(self, poller: select.epoll, seconds: float) -> None:
        """Await the acks still owed, so long at most."""
        end = time.monotonic() + seconds
        while self.acks < self.sent and time.monotonic() < end:
            self._receive(poller, 0.05)

    def _send(self) -> None:
        connection = self._sockets[self.sent % len(self._sockets)]
        self._sent_at[connection.fileno()].append(time.monotonic())
        data = b"%b%d%b" % (HEAD, NUMBER_FIRST + self.sent, LINE_TAIL)
        if connection.send(data) != LINE_BYTES:
            raise LoadError("a socket took a line in part: the server does not read")
        self.sent += 1

    def _receive(self, poller: select.epoll, timeout_s: float) -> None:
        for fd, _ in poller.poll(timeout_s, 1024):
            reply = self._by_fd[fd].recv(1024)
            now = time.monotonic()
            waiting = self._sent_at[fd]
            count = len(reply) // len(ACK)
            if not reply or reply != ACK * count or count > len(waiting):
                raise LoadError(f"expected up to {len(waiting)} acks, found {reply!r}")
            self.acks += count
            for at in waiting[:count]:
                self.latencies.append(now - at)
            del waiting[:count]


def many(port: int, connections: int, warm_up_s: float, duration_s: float) -> None:
    """Hold many connections, one line a second each; latencies count from the end of the warm-up on."""
    begin = time.monotonic()
    sockets = connect_many(port, connections)
    connect_s = time.monotonic() - begin
    await_go()
    metronome = Metronome(sockets, 1.0)
    with select.epoll() as poller:
        for connection in sockets:
            poller.register(connection.fileno(), select.EPOLLIN)
        metronome.run(warm_up_s, poller)
        metronome.latencies = array("d")
        metronome.lateness_s_max = 0.0
        cpu_before = own_cpu_s()
        emit("window_start", at=time.monotonic())
        metronome.run(duration_s, poller)
        emit("window_end", at=time.monotonic())
        cpu_used = own_cpu_s() - cpu_before
        metronome.drain(poller, 10.0)
    emit(
        "done",
        lines=metronome.sent,
        acks=metronome.acks,
        connect_s=connect_s,
        late_ms_max=metronome.lateness_s_max * 1000,
        cpu_s=cpu_used,
        **latencies(metronome.latencies),
    )

"""One TCP connection: bytes to its protocol, batches to the intake, replies back."""

import asyncio
import time
from functools import partial
from typing import Final, cast

from logboom.framing.joint import JointLines, Settlement
from logboom.framing.tokenline import TokenLine
from logboom.model import Acker, Receipt, Source, Verdict
from logboom.pipeline.inlet import Inlet
from logboom.servers.connection_owner import Owner
from logboom.servers.connection_states import ENDED, GIVEN_UP, HANDED_OVER, LOST, OPEN, REFUSED
from logboom.servers.strangers import HEAD_BYTES_MAX, begins_http, stranger

BUFFERED_BYTES_MAX: Final = 512 << 10
"""Bytes of one connection that wait to be judged; the loop reads several times a turn, judging happens once."""

SMALL_READ_BYTES: Final = 4096
"""Bytes per read while the journal is behind: ten thousand connections then hold 40 MB."""

TURN_S: Final = 0.005
"""CPU time of a read after which other connections get their turn, seconds; a full buffer of lines costs 1 to 2 ms."""

SLOW_S: Final = 0.012
"""A read that costs this much is no honest one, or the machine is very slow: then in small bites, one a turn."""

CHEAP_READS: Final = 16
CHEAP_S: Final = 0.0002
"""After this many small reads in a row, none of them more expensive, a connection reads in full again."""

SMALL_REST_BYTES: Final = 1024
"""An unfinished line of up to this size is judged at once at the end of its connection: it costs a few µs."""

GATHERED_MAX: Final = 64
"""Gathered reads of one connection that wait for their replies; what follows is counted by its own inlet."""

REFUSAL_S: Final = 3.0
"""Time from an entry that could not be stored to the end of its connection, seconds. Peers wait at least ten."""
NOT_STORED: Final = frozenset({Verdict.FAILED, Verdict.LIMITED})

TOKEN_LINE_S_MAX: Final = 20.0
"""Time for the token line where a token is required: a client without one must not hold a place."""


class Connection(asyncio.BufferedProtocol):
    """Owned by its listener; answers are written in the order of the batches.

    Several batches may be in flight: the journal resolves them in the order of submission, so replies keep
    the wire order without waiting for each other.
    """

    __slots__ = (
        "_first_bytes",
        "_listener",
        "_protocol",
        "_pump_scheduled",
        "_reading_paused",
        "_slow_reads",
        "_writing_paused",
        "address",
        "gathered",
        "inlet",
        "joint",
        "last_data",
        "opened_at",
        "resting",
        "settlement",
        "state",
        "transport",
        "warned_for",
    )

    def __init__(self, listener: Owner["Connection"]) -> None:
        self._listener = listener
        self.state = OPEN
        self._first_bytes: bytes | None = b""  # None: enough have come to know whose they are
        self._pump_scheduled = self._reading_paused = False
        self._slow_reads = 0  # bites still to be taken before it reads in full again
        self._writing_paused = False
        self.resting = False
        """Nothing is on its way, except for a gathered line, and the next byte begins a line."""
        self.joint: JointLines
        """The protocol, where its lines may be judged with others; set once the connection rests."""
        self.gathered = 0
        """Reads whose lines were gathered and are not answered yet."""
        self.settlement: Settlement | None = None
        """Settlement of the last of them."""
        self.last_data = self.opened_at = listener.loop.time()
        self.warned_for = 0.0
        """The `last_data` that the idle warning was given for."""

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless the listener is full."""
        self.transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername")
        peer = address[0] if address else "unknown"
        self.address = peer
        listener = self._listener
        self.inlet = Inlet(listener.intake, listener.turns, listener.source_of(peer), self._on_room)
        self._protocol = listener.make_protocol()
        listener.opened(self)
        self.pump()  # some protocols speak first

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """One buffer for all connections of the loop: its content is copied before the next read."""
        if self.resting:
            return self._listener.buffer
        small = self._slow_reads > 0 or self._reading_paused or not self.inlet.has_room
        return self._listener.small_buffer if small else self._listener.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        if self.state is HANDED_OVER:
            return  # they are not lines
        if self.resting:
            if self.gathered < GATHERED_MAX and self._listener.gatherer.take(self, nbytes):
                return
            self._disturb()
        self.last_data = now = self._listener.loop.time()
        self._listener.intake.counters.received(now)
        data = self._listener.buffer[:nbytes]
        if self._first_bytes is not None:
            self._listener.heard(self)
            if self._is_http(data) or self._is_stranger(data):
                return
        self._protocol.receive_data(data)
        if self._pump_scheduled:
            if self._protocol.buffered_bytes() >= BUFFERED_BYTES_MAX:
                self._stop_reading()
        elif nbytes <= SMALL_READ_BYTES and not self._slow_reads:
            self.pump()
        else:
            self._pump_measured()

    def _is_http(self, data: memoryview) -> bool:
        """Hand over a client that speaks HTTP, where this port takes it; returns True then, or while it may be one."""
        held = self._first_bytes
        if held is None or not self._listener.takes_http:
            return False
        first = held + bytes(data)
        is_http = begins_http(first)
        self._first_bytes = first if is_http is None else b""
        if is_http:
            self.state = HANDED_OVER
            self.inlet.leave()
            self.inlet.close()
            self._listener.hand_over(self, first)
        elif is_http is False and held:
            self._protocol.receive_data(held)
        return is_http is not False

    def _is_stranger(self, data: memoryview) -> bool:
        """Reject a client that speaks another protocol than this port; returns True then."""
        first = (self._first_bytes or b"") + bytes(data[:HEAD_BYTES_MAX])
        speaks = stranger(first)
        self._first_bytes = first if speaks is None and not self._listener.takes_http else None
        if speaks:
            self._listener.wrong_port(self, speaks)
        return bool(speaks)

    def eof_received(self) -> bool:
        """The peer sends no more, but may still read: its replies are written before the close."""
        self.resting = False
        if self.state is OPEN:
            self.state = ENDED
        self._listener.ended(self)
        if self._first_bytes and self._listener.takes_http:
            self._protocol.receive_data(self._first_bytes)
        self._protocol.receive_eof()
        self._pump_rest()
        return True

    def pause_writing(self) -> None:
        """The peer does not read its replies: nothing more is taken from it."""
        self.resting = False
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writing_paused = False
        self.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; complete lines that it has sent are stored all the same."""
        self.state = LOST
        self.resting = False
        self._writing_paused = False  # nothing is left to wait for
        self.inlet.leave()
        self._listener.ended(self)
        self._listener.closed(self, exc)
        self._pump_rest()

    # --- lines that are judged with those of other connections ---

    def _disturb(self) -> None:
        """Go one's own way, behind a line that is gathered."""
        self.resting = False
        if self.gathered:
            self._listener.gatherer.let_pass(self)

    def take_back(self, lines: bytes) -> None:
        """Deal with gathered lines alone: not all are good, or there is no room for them."""
        self.gathered -= 1
        self.resting = False
        self._protocol.receive_data(lines + b"\n")
        if not self._pump_scheduled:
            self.pump()

    def answer(self, replies: bytes, verdicts: bytes = b"") -> None:
        """Write the replies to gathered lines; `verdicts` are theirs if not all of them were stored."""
        self.gathered -= 1
        if replies and self.state.replies and not self.transport.is_closing():
            self.transport.write(replies)
        if verdicts:
            self._follow_verdicts(verdicts)
        if not self.resting:
            self._on_room()

    def _rest_if_quiet(self) -> None:
        """Have the next lines gathered, if nothing is on its way and the protocol takes part."""
        if self.state is not OPEN or self._first_bytes is not None or not self.idle:
            return
        if self._reading_paused or self._writing_paused or self._slow_reads:
            return
        protocol = self._protocol
        if isinstance(protocol, TokenLine):
            protocol = protocol.inner
        if isinstance(protocol, JointLines) and protocol.between_lines:
            self.joint = protocol
            self.resting = True

    # --- flow ---

    def _pump_rest(self) -> None:
        """Judge what is left at the end; where that is much, in the listener's own time: thousands may end at once."""
        if self._pump_scheduled:
            return
        if self._protocol.buffered_bytes() > SMALL_REST_BYTES:
            self._pump_scheduled = True
            self._listener.end_soon(self)
        else:
            self.pump()

    def pump(self) -> None:
        """Hand one batch to the intake; come back in the loop's next turn when there may be more.

        One a turn: a connection with much to judge does not keep the others waiting.
        """
        self._pump_scheduled = False
        if self.state in (REFUSED, HANDED_OVER):
            return
        if self._writing_paused or not self.inlet.has_room:
            self._stop_reading()
            if not self._writing_paused:
                self.inlet.wait()
            return
        item = self._protocol.next_batch()
        self._follow_protocol()
        if item is None:
            self._resume()
            self._finish_if_done()
            return
        batch, acker = item
        self._pump_scheduled = True  # an answer that comes at once must neither pump nor close
        self.inlet.put(batch, partial(self._answer, acker))
        if not self.state.reads or self._protocol.buffered_bytes():
            self._listener.loop.call_soon(self.pump)
        else:
            self._pump_scheduled = False
            self._resume()
            if not self.inlet.batches_in_flight:
                self._rest_if_quiet()

    def _pump_measured(self) -> None:
        """Pump, and leave the loop to others when it was expensive."""
        started = time.thread_time()  # what it worked, not what it waited for the interpreter
        self.pump()
        cost_s = time.thread_time() - started
        if cost_s > SLOW_S or (self._slow_reads and cost_s > CHEAP_S):
            self._slow_reads = CHEAP_READS
        elif self._slow_reads:
            self._slow_reads -= 1
        if cost_s > TURN_S or self._slow_reads:
            self._stop_reading()
            if not self._pump_scheduled and self.state is not LOST:
                self._pump_scheduled = True
                self._listener.loop.call_soon(self.pump)

    def _follow_protocol(self) -> None:
        """Take over the peer's name and a fatal error from the protocol."""
        identity = self._protocol.identity
        if identity is not None and identity != self.source.peer:
            self.inlet.source = self.source._replace(peer=identity)
        notice = getattr(self._protocol, "notice", None)
        if notice is not None:
            self._protocol.notice = None  # type: ignore[attr-defined]
            self._listener.noticed(self, notice)
        fatal = self._protocol.fatal
        if fatal is not None and self.state in (OPEN, ENDED):
            self._stop_reading()
            self.state = GIVEN_UP
            self._listener.gave_up(self, fatal)

    def _answer(self, acker: Acker, receipt: Receipt) -> None:
        """Write the replies of a batch."""
        replies = acker(receipt)
        if replies and self.state.replies and not self.transport.is_closing():
            self.transport.write(replies)
        self._follow_verdicts(receipt.verdicts)

    def _follow_verdicts(self, verdicts: bytes) -> None:
        """Refuse a peer that gets no negative answers, where an entry was not stored."""
        if self._listener.refuses_by_closing and not NOT_STORED.isdisjoint(verdicts):
            self._refuse()

    def _refuse(self) -> None:
        """Read no more, and close in a while: without an acknowledgement, the peer sends again."""
        if self.state in (OPEN, ENDED):
            self._stop_reading()
            self.resting = False
            self.state = REFUSED
            self._listener.loop.call_later(REFUSAL_S, self.transport.close)

    def _on_room(self) -> None:
        """Go on after a receipt, or when the inlet has room again."""
        if self._pump_scheduled:
            return
        if self._reading_paused or self.state is LOST:
            self.pump()
        else:
            self._finish_if_done()
            if not self.inlet.batches_in_flight:
                self._rest_if_quiet()

    def _stop_reading(self) -> None:
        if not self._reading_paused and self.state is not LOST:
            self._reading_paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._reading_paused and self.state in (OPEN, ENDED) and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    def _finish_if_done(self) -> None:
        """Close once everything is answered: after the peer's end, or when the protocol can't go on."""
        if self.state.closes and self.idle:
            self.transport.close()

    # --- called by the listener every second ---

    def send_unasked(self) -> None:
        """Write bytes that the protocol sends unasked, such as heartbeats."""
        data = self._protocol.data_to_send()
        if data and not self._writing_paused and not self.transport.is_closing():
            self.transport.write(data)
        if not self._pump_scheduled and self._protocol.buffered_bytes():
            self.pump()  # a pause may complete what it holds

    def lacks_token(self, now: float) -> bool:
        """Return True when the required token line is overdue; `now` is the loop's time, seconds."""
        protocol = self._protocol
        if not isinstance(protocol, TokenLine) or protocol.is_open:
            return False
        return now - self.opened_at > TOKEN_LINE_S_MAX

    def token_trouble(self) -> str | None:
        """Reason why the connection's token is no longer valid; None: it is valid, or none is required."""
        protocol = self._protocol
        return protocol.look_again() if isinstance(protocol, TokenLine) and protocol.is_open else None

    def held_bytes(self) -> int:
        """Bytes that were received and wait, mostly for the rest of a line or a frame."""
        if self.resting:
            return 0
        return self._protocol.buffered_bytes()

    @property
    def idle(self) -> bool:
        """True while nothing of this connection is on its way to the journal."""
        return not (self.inlet.batches_in_flight or self._pump_scheduled or self.gathered)

    @property
    def source(self) -> Source:
        """The peer."""
        return self.inlet.source

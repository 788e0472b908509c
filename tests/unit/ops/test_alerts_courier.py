"""A target that is away delays only itself; a message is tried a few times; what failed is told, without secrets."""

import threading
from queue import SimpleQueue

from logboom.ops.alerts.courier import RETRY_S, WAITING_MAX, Courier
from logboom.ops.alerts.messages import Message

LIMIT_S = 30.0


def message(number: int = 0) -> Message:
    return Message(f"title {number}", "body", "failure")


class Target:
    """Takes messages by the book: a reason to refuse for each try, None to take it."""

    def __init__(self, *reasons: str | None) -> None:
        self.reasons = list(reasons)
        self.tried: SimpleQueue[str] = SimpleQueue()
        self.paused: list[float] = []
        self.told: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self.courier = Courier(
            "json://host",
            "json://user:secret@host",
            lambda kind, text: self.told.put((kind, text)),
            send=self.send,
            pause=self.paused.append,
        )

    def send(self, url: str, sent: Message) -> str | None:
        assert url == "json://user:secret@host"
        self.tried.put(sent.title)
        return self.reasons.pop(0) if self.reasons else None


def test_messages_arrive_in_order() -> None:
    target = Target()
    for number in range(5):
        target.courier.put(message(number))
    assert [target.tried.get(timeout=LIMIT_S) for _ in range(5)] == [f"title {n}" for n in range(5)]
    target.courier.close(LIMIT_S)
    assert target.told.empty()


def test_a_failure_is_tried_again() -> None:
    target = Target("away", "away", None)
    target.courier.put(message())
    assert [target.tried.get(timeout=LIMIT_S) for _ in range(3)] == ["title 0"] * 3
    target.courier.close(LIMIT_S)
    assert target.paused == list(RETRY_S[:2])
    assert target.told.empty()


def test_a_message_that_nobody_takes_is_given_up_and_told() -> None:
    target = Target(*["away"] * 4)
    target.courier.put(message())
    assert target.told.get(timeout=LIMIT_S) == (
        "warning",
        "alerts: json://host did not take “title 0”: away",
    )
    assert target.paused == list(RETRY_S)
    target.courier.put(message(1))  # and the next one is tried all the same
    target.courier.close(LIMIT_S)
    assert target.tried.qsize() == 5


def test_a_target_that_hangs_blocks_nobody_and_fills_no_memory() -> None:
    hang, entered = threading.Event(), threading.Event()

    def send(_url: str, _message: Message) -> None:
        entered.set()
        hang.wait(LIMIT_S)

    told: list[str] = []
    courier = Courier("json://host", "json://host", lambda _kind, text: told.append(text), send=send)
    courier.put(message())
    assert entered.wait(LIMIT_S)
    for number in range(WAITING_MAX + 3):
        courier.put(message(number))
    assert told == [f"alerts: json://host is too slow, not sent: title {number}" for number in range(3)]
    courier.close(0.01)  # does not wait for it
    hang.set()
    courier.close(LIMIT_S)


def test_what_waits_at_the_end_is_tried_once_more() -> None:
    target = Target("away", "away")
    target.courier._pause = lambda _: target.courier._closing.set()
    target.courier.put(message())
    assert target.told.get(timeout=LIMIT_S)[0] == "warning"
    assert target.tried.qsize() == 2


def test_a_closed_courier_starts_no_thread() -> None:
    target = Target()
    target.courier.close(0)
    target.courier.put(message())
    assert target.courier._thread is None

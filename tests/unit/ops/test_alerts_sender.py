"""A target that is away delays only itself, and is told everything once it is back."""

import threading

import pytest

from logboom.ops.alerts.lifecycle import FIRING, Alert, Change
from logboom.ops.alerts.notification import Message
from logboom.ops.alerts.outbox import Outbox
from logboom.ops.alerts.sender import RETRY_S, TargetSender

LIMIT_S = 30.0
WALL = 1e9


def change(subject: str = "a") -> Change:
    return Change(
        FIRING, Alert("rule", subject, "warning", FIRING, WALL, f"{subject} is down"), f"{subject} is down"
    )


class Target:
    """Takes messages by the book: a reason to refuse for each try, None to take it."""

    def __init__(self, *reasons: str | None) -> None:
        self.reasons = list(reasons)
        self.tried: list[tuple[float, str]] = []
        self.told: list[tuple[str, str]] = []
        self.now = 1000.0
        self.sender = TargetSender(
            "json://host",
            "json://user:secret@host",
            Outbox("boom", 30),
            lambda kind, text: self.told.append((kind, text)),
            send=self.send,
        )

    def send(self, url: str, sent: Message) -> str | None:
        assert url == "json://user:secret@host"
        self.tried.append((self.now - 1000.0, sent.title))
        return self.reasons.pop(0) if self.reasons else None

    def tell(self, *changes: Change, at_once: bool = False) -> None:
        self.sender.notify(list(changes), [], self.now, WALL + self.now - 1000.0, at_once=at_once)
        self.sender.wait(LIMIT_S)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.tell()


def test_messages_arrive_in_order() -> None:
    target = Target()
    for number in range(5):
        target.tell(change(f"n{number}"))
    assert [title for _, title in target.tried] == [f"⚠️ boom: n{number} is down" for number in range(5)]
    assert target.told == []
    assert (target.sender.sent, target.sender.failed, target.sender.trouble) == (5, 0, None)


def test_a_target_that_is_away_for_hours_is_told_when_it_is_back() -> None:
    target = Target(*["away"] * 12)
    target.tell(change())
    assert (target.sender.trouble, target.sender.waiting) == ("away", 1)
    target.pass_time(3 * 3600)
    tries = [at for at, _ in target.tried]
    assert tries[: len(RETRY_S) + 2] == [0, 5, 35, 155, 755, 1355]
    assert len(tries) == 13
    assert target.tried[-1][1] == "⚠️ boom: a is down (delayed)"
    assert (target.sender.sent, target.sender.failed) == (1, 12)
    assert (target.sender.trouble, target.sender.waiting) == (None, 0)
    assert target.told == [
        ("warning", "alerts: json://host did not accept “⚠️ boom: a is down”: away; it will be retried"),
        ("info", "alerts: json://host accepts messages again"),
    ]


def test_the_first_pause_is_short_again_after_a_success() -> None:
    target = Target("away", "away", None, "away")
    target.tell(change())
    target.pass_time(100)
    target.tell(change("b"))
    target.pass_time(100)
    assert [at for at, _ in target.tried] == [0, 5, 35, 100, 105]


def test_a_target_that_hangs_blocks_nobody_and_gets_the_rest_in_one_message() -> None:
    hang, entered, sent = threading.Event(), threading.Event(), list[str]()

    def send(_url: str, message: Message) -> None:
        sent.append(message.title)
        entered.set()
        hang.wait(LIMIT_S)

    sender = TargetSender("json://host", "json://host", Outbox("boom", 30), lambda *_: None, send=send)
    sender.notify([change()], [], 1000.0, WALL)
    assert entered.wait(LIMIT_S)
    for number in range(5):
        sender.notify([change(f"n{number}")], [], 1000.0, WALL)
    sender.wait(0.01)
    assert sender.waiting == 6
    hang.set()
    sender.wait(LIMIT_S)
    sender.notify([], [], 1001.0, WALL)
    sender.wait(LIMIT_S)
    assert sent == ["⚠️ boom: a is down", "⚠️ boom: 5 changes, 0 alerts firing"]


def test_what_waits_at_the_end_is_tried_once_more_and_kept() -> None:
    target = Target("away", "away")
    target.tell(change())
    target.tell(at_once=True)
    assert len(target.tried) == 2
    assert len(target.sender.backlog().notices) == 1


def test_nothing_is_lost_when_there_is_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    target = Target()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        target.tell(change())
    assert (target.sender.trouble, target.sender.waiting) == ("can't start new thread", 1)
    target.tell(change("b"))
    assert target.tried == []
    target.pass_time(int(RETRY_S[0]))
    assert target.tried == [(RETRY_S[0], "⚠️ boom: 2 changes, 0 alerts firing")]
    assert (target.sender.trouble, target.sender.waiting) == (None, 0)


def test_a_library_that_can_not_be_loaded_is_a_failure_like_any_other() -> None:
    def send(_url: str, _message: Message) -> str | None:
        raise ImportError("no such library")

    sender = TargetSender("json://host", "json://host", Outbox("boom", 30), lambda *_: None, send=send)
    sender.notify([change()], [], 1000.0, WALL)
    sender.wait(LIMIT_S)
    assert (sender.trouble, sender.waiting) == ("ImportError", 1)


def test_it_says_when_there_is_something_to_be_kept() -> None:
    target = Target("away", None)
    assert not target.sender.has_changed()
    target.tell(change())
    assert target.sender.has_changed()
    target.pass_time(1)
    assert not target.sender.has_changed()
    target.pass_time(5)
    assert target.sender.has_changed()
    assert target.sender.backlog().notices == []

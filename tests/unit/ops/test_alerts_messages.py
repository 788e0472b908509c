"""What people get: one message for what changes together, a bound an hour, and no secret in any name."""

import pytest

from logboom.ops.alerts.engine import FIRING, FLAPPING, RESOLVED, Alert, Change
from logboom.ops.alerts.messages import HOUR_S, LINES_MAX, Outbox
from logboom.ops.alerts.names import target_names, without_secrets


def change(text: str = "device is down", kind: str = FIRING, severity: str = "critical") -> Change:
    return Change(kind, Alert("rule", text, severity, kind, 0.0, text), text)


def test_one_change_is_the_title() -> None:
    message = Outbox("boom", 30).message([change()], [], 0.0)
    assert message == ("❌ boom: device is down", "critical: device is down", "failure")
    message = Outbox("boom", 30).message([change(severity="warning")], [], 0.0)
    assert message is not None
    assert (message.title, message.kind) == ("⚠️ boom: device is down", "warning")
    message = Outbox("boom", 30).message([change("device is back", RESOLVED)], [], 0.0)
    assert message == ("✅ boom: device is back", "recovered: device is back", "success")


def test_flapping_says_what_comes_next() -> None:
    message = Outbox("boom", 30).message([change(kind=FLAPPING)], [], 0.0)
    assert message is not None
    assert message.body == "critical: flapping, told again once it is steady: device is down"


def test_changes_of_one_moment_are_one_message_of_bounded_length() -> None:
    changes = [change(f"source {number} is silent", severity="warning") for number in range(500)]
    message = Outbox("boom", 30).message(changes, [one.alert for one in changes], 0.0)
    assert message is not None
    assert message.title == "⚠️ boom: 500 changes, 500 alerts firing"
    assert len(message.body.splitlines()) == LINES_MAX + 1
    assert message.body.endswith("… and 490 more")


def test_no_change_is_no_message() -> None:
    assert Outbox("boom", 30).message([], [], 0.0) is None


def test_what_is_too_much_for_an_hour_is_held_back_and_told_later() -> None:
    outbox = Outbox("boom", 3)
    sent = [outbox.message([change(f"n {number}")], [], float(number)) for number in range(10)]
    assert [message is not None for message in sent] == [True] * 3 + [False] * 7
    assert outbox.held_back == 7
    alert = change("still down").alert
    assert outbox.message([], [alert], HOUR_S - 1) is None
    message = outbox.message([], [alert], HOUR_S + 0.5)
    assert message is not None
    assert message.kind == "failure"
    assert "7 changes before were held back" in message.body
    assert "Firing now: still down" in message.body
    assert outbox.message([], [alert], HOUR_S + 5) is None


def test_what_was_held_back_is_told_with_the_next_change() -> None:
    outbox = Outbox("boom", 1)
    outbox.message([change()], [], 0.0)
    outbox.message([change("a", RESOLVED)], [], 1.0)
    message = outbox.message([change("b", RESOLVED)], [], HOUR_S)
    assert message is not None
    assert message.title == "✅ boom: b"
    assert message.body.splitlines()[0] == "recovered: b"
    assert message.body.splitlines()[-1] == "Nothing is firing now."


SECRET_URLS = [
    "json://user:hunter2secret@example.com:8443/hook/abcdef123?token=topsecret&x=1",
    "mailto://me:hunter2secret@gmail.com",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
    "tgram://123456789:AAbbCCddEEffGG/12315544/",
    "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "ntfy://my-private-topic",
    "jsons://topsecret@hook.example.com/%68unter2",
    "pover://userkey@apptoken",
]


def test_names_tell_where_and_nothing_that_lets_one_send() -> None:
    assert target_names(SECRET_URLS) == [
        "json://example.com:8443",
        "mailto://gmail.com",
        "slack://…",
        "tgram://…",
        "discord://…",
        "ntfy://…",
        "jsons://hook.example.com",
        "pover://…",
    ]


def test_targets_of_one_name_are_numbered() -> None:
    urls = ["slack://a/b/c", "json://h/x", "slack://d/e/f"]
    assert target_names(urls) == ["slack://… #1", "json://h", "slack://… #2"]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_no_part_of_a_url_stays_in_a_text(url: str) -> None:
    text = f"failed: {url} with hunter2secret, topsecret, T1JJ3T3L2, TIiajkdnlazkcOXrIdevi7FQ, AAbbCCddEEffGG"
    shown = without_secrets(text, url)
    assert url.partition("://")[2] not in shown
    for secret in ("hunter2secret", "topsecret", "TIiajkdnlazkcOXrIdevi7FQ", "AAbbCCddEEffGG", "T1JJ3T3L2"):
        assert secret not in url or secret not in shown
    assert shown.startswith("failed: ")

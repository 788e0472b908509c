"""What people get: one message for what changes together, with its times, and no secret in any name."""

import pytest

from logboom.ops.alerts.lifecycle import FIRING, FLAPPING, RESOLVED, Alert, Change
from logboom.ops.alerts.names import target_names, without_secrets
from logboom.ops.alerts.notification import (
    LATE_S,
    LINES_MAX,
    Message,
    Notice,
    merged,
    notice_of,
    notification_of,
)

BEGAN = 1_780_000_000.0  # 2026-05-28 20:26:40 UTC


def news(
    text: str = "device is down",
    kind: str = FIRING,
    severity: str = "critical",
    *,
    trouble: str = "device is down",
    wall: float = BEGAN,
) -> Notice:
    alert = Alert("rule", "device", severity, kind, BEGAN, trouble)
    if kind == RESOLVED:
        alert.resolved_at = wall
    return notice_of(Change(kind, alert, text), wall)


def told(*found: Notice, wall: float = BEGAN, firing: int = 0) -> Message:
    alerts = [Alert("other", str(number), "warning", FIRING, BEGAN, "other") for number in range(firing)]
    return notification_of("boom", list(found), alerts, wall, [])


def test_one_change_is_the_title_and_the_text_says_since_when() -> None:
    assert told(news(), wall=BEGAN + 1) == (
        "❌ boom: device is down",
        "critical: device is down (since 20:26:40Z)",
        "failure",
    )
    message = told(news(severity="warning"))
    assert (message.title, message.kind) == ("⚠️ boom: device is down", "warning")
    assert told(news("device is back", RESOLVED, wall=BEGAN + 75), wall=BEGAN + 75) == (
        "✅ boom: device is back",
        "recovered: device is back (20:26:40Z to 20:27:55Z)",
        "success",
    )


def test_a_time_of_another_day_has_its_date() -> None:
    later = BEGAN + 86400
    assert told(news("device is back", RESOLVED, wall=later), wall=later).body == (
        "recovered: device is back (2026-05-28 20:26:40Z to 20:26:40Z)"
    )


def test_what_is_told_late_says_so() -> None:
    message = told(news(), wall=BEGAN + LATE_S + 1)
    assert message.title == "❌ boom: device is down (delayed)"
    assert message.body == "critical: device is down (since 20:26:40Z, delayed)"


def test_what_fires_is_told_as_it_is_now() -> None:
    now = Alert("rule", "device", "warning", FIRING, BEGAN, "device is silent for 3 h")
    message = notification_of(
        "boom", [news("device is silent for 61 s", severity="warning")], [now], BEGAN, []
    )
    assert message.title == "⚠️ boom: device is silent for 3 h"


def test_what_ended_before_anybody_was_told_is_one_word_of_both() -> None:
    over = merged(news(), news("device is back", RESOLVED, wall=BEGAN + 300))
    assert told(over, wall=BEGAN + 400) == (
        "✅ boom: already over: device is down (delayed)",
        "already over: device is down (20:26:40Z to 20:31:40Z, delayed)",
        "success",
    )
    again = merged(over, news())
    assert told(again).body == "critical: device is down (since 20:26:40Z, 2 times so far)"


def test_what_fires_again_before_its_end_was_told_is_simply_firing() -> None:
    again = merged(news("device is back", RESOLVED), news())
    assert told(again).body == "critical: device is down (since 20:26:40Z)"


def test_flapping_says_what_comes_next_and_is_counted_once() -> None:
    flapping = news(kind=FLAPPING)
    assert told(flapping).body == (
        "critical: flapping, the next notification follows once it is stable: device is down (since 20:26:40Z)"
    )
    assert merged(flapping, news()).fired == 1


def test_changes_of_one_moment_are_one_message_of_bounded_length() -> None:
    message = told(
        *[news(f"source {number} is silent", severity="warning") for number in range(500)], firing=500
    )
    assert message.title == "⚠️ boom: 500 changes, 500 alerts firing"
    assert len(message.body.splitlines()) == LINES_MAX + 1
    assert message.body.endswith("… and 490 more")


def test_among_others_the_only_trouble_is_the_title_and_stands_first() -> None:
    message = told(
        news("a is back", RESOLVED),
        news("b is silent", severity="warning"),
        news("c is back", RESOLVED),
        firing=1,
    )
    assert message.title == "⚠️ boom: b is silent"
    assert message.body.splitlines()[0].startswith("warning: b is silent")


def test_the_critical_stand_before_the_others() -> None:
    message = told(news("w", severity="warning"), news("c"), firing=2)
    assert [line.split(" ")[0] for line in message.body.splitlines()] == ["critical:", "warning:"]
    assert message.title == "❌ boom: 2 changes, 2 alerts firing"


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

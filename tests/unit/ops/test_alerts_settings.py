"""`[alerts]` is checked before anything starts; what is wrong is named, what is secret is not."""

import re
from typing import Any

import pytest

from logboom.errors import ConfigError
from logboom.ops.alerts.alert_settings import RULES_MAX, TARGETS_MAX, alerts_settings
from logboom.ops.alerts.sender import check_targets


def test_the_defaults_look_at_everything_and_tell_nobody() -> None:
    settings = alerts_settings({})
    assert settings.enabled
    assert settings.notify == []
    rules = settings.rules
    names = ("listener_down", "inactive", "source_silent", "disk", "refused", "error_burst", "output_lagging")
    assert all(getattr(rules, name).enabled for name in names)
    assert rules.listener_down.severity == "critical"


def test_a_rule_can_be_made_patient_or_turned_off() -> None:
    table = {"rules": {"disk": {"enabled": False}, "listener_down": {"for_s": 7, "severity": "warning"}}}
    rules = alerts_settings(table).rules
    assert not rules.disk.enabled
    assert (rules.listener_down.for_s, rules.listener_down.severity) == (7.0, "warning")
    assert rules.listener_down.clear_s == 10.0


def test_the_environment_gives_one_target_as_it_is() -> None:
    assert alerts_settings({"notify": "json://a/b"}).notify == ["json://a/b"]
    assert alerts_settings({"notify": ""}).notify == []
    assert alerts_settings({"rules": {"disk": {"enabled": "false"}}}).rules.disk.enabled is False


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"enable": True}, "alerts.enable: unknown setting; did you mean 'enabled'?"),
        ({"rules": {"dsk": {}}}, "alerts.rules.dsk: unknown rule; expected one of listener_down, "),
        ({"rules": {"Dry": {"query": "pump"}}}, "alerts.rules.Dry: expected a name of up to 64 characters"),
        ({"rules": {"dry": {"query": ""}}}, "alerts.rules.dry.query: found ''."),
        (
            {"rules": {"dry": {"query": "a b:>x"}}},
            "alerts.rules.dry.query: the query, at character 6, before 'x': expected a number",
        ),
        (
            {"rules": {"dry": {"query": "a", "window": 5}}},
            "alerts.rules.dry.window: unknown setting; did you",
        ),
        (
            {"rules": {"dry": {"query": "a", "targets": ["my-secret-word"]}}},
            "alerts.rules.dry.targets: target 1 is not a URL",
        ),
        (
            {"rules": {f"r{number}": {"query": "a"} for number in range(RULES_MAX + 1)}},
            f"alerts.rules: found {RULES_MAX + 1} with a query, at most {RULES_MAX} are allowed",
        ),
        (
            {
                "notify": ["json://a"] * 11,
                "rules": {
                    "dry": {"query": "a", "targets": [f"json://{number}" for number in range(TARGETS_MAX)]}
                },
            },
            f"alerts: found {TARGETS_MAX + 1} targets",
        ),
        ({"rules": []}, "alerts.rules: expected tables"),
        ({"rules": {"disk": {"used_share_max": 80}}}, "alerts.rules.disk.used_share_max: found 80."),
        ({"rules": {"disk": {"severity": "bad"}}}, "alerts.rules.disk.severity: found 'bad'."),
        ({"rules": {"refused": {"for_s": -1}}}, "alerts.rules.refused.for_s: found -1."),
        ({"notify": 5}, "alerts.notify: expected a list of URLs"),
        ({"notify": ["json://a", 5]}, "alerts.notify: expected a list of URLs"),
        ({"notify": ["json://a", "my-secret-word"]}, "alerts.notify: target 2 is not a URL"),
        ({"notify": ["json://a"] * (TARGETS_MAX + 1)}, f"alerts.notify: found {TARGETS_MAX + 1} targets"),
    ],
)
def test_what_is_wrong_is_named_without_secrets(table: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}") as error:
        alerts_settings(table)
    assert "my-secret-word" not in str(error.value)


def test_a_target_that_apprise_does_not_know_is_named_without_its_secrets() -> None:
    check_targets(alerts_settings({"notify": ["json://host/path", "mailto://me:pw@gmail.com"]}))
    with pytest.raises(ConfigError, match=r"alerts\.notify: nosuch://… is not supported") as error:
        check_targets(alerts_settings({"notify": ["json://host", "nosuch://top-secret-part/x"]}))
    assert "top-secret-part" not in str(error.value)

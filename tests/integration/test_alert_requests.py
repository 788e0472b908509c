"""Alerts over HTTP and on the command line: rules are made, tried, tested, muted and acknowledged."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from logboom.cli import app as command_line
from logboom.ops import journal_follower
from logboom.ops.alerts import service
from logboom.pipeline.tokens import add_token
from tests.kit.app_thread import AppThread
from tests.kit.webhook_kit import Webhook, webhook

ASSURED = {"disk": {"enabled": False}}
BOOT = {"query": "kettle boils", "threshold": 2}


class Site:
    """A server with a token for each scope, and a target."""

    def __init__(self, app: AppThread, tokens: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{app.port('http')}"
        self.app = app
        self.tokens = tokens

    def ask(self, method: str, path: str, body: Any = None, token: str = "admin") -> tuple[int, Any]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.tokens[token]}"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def command(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            command_line, ["alerts", *words, "--url", self.url, "--token", self.tokens["admin"]]
        )
        failed = (
            "" if done.exception is None or isinstance(done.exception, SystemExit) else str(done.exception)
        )
        return done.exit_code, done.output + failed

    def rules(self) -> list[str]:
        return [one["name"] for one in self.ask("GET", "/api/alerts")[1]["rules"]]


@pytest.fixture(scope="module")
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, hook: Webhook) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("alerts")
    tokens = {name: add_token(data_dir / "tokens.json", name, (name,)) for name in ("read", "write", "admin")}
    settings = {
        "listeners": {"http": {"auth": "token"}},
        "alerts": {"notify": [hook.url], "rules": {**ASSURED, "fixed": {"query": "x"}}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_follower, "PACE_S", 0.01)
        patch.setattr(service, "CHECK_INTERVAL_S", 0.05)
        with AppThread(data_dir, ("http",), settings=settings) as app:
            yield Site(app, tokens)


def test_a_rule_is_made_fires_and_is_handled(site: Site, hook: Webhook) -> None:
    assert site.ask("POST", "/api/alerts/rules", {"name": "boil", **BOOT}) == (200, {"name": "boil"})
    site.app.until(lambda: any(one["name"] == "boil" for one in site.app.app.alerts.rules))
    for _ in range(2):
        site.ask("POST", "/api/entries", {"message": "The kettle boils"}, "write")
    assert "boil: 2 entries within 5 min match kettle boils" in hook.next()["title"]
    place = {"rule": "boil", "subject": "kettle boils"}
    assert site.ask("POST", "/api/alerts/acknowledgements", place) == (200, {"acknowledged": 1})
    [alert] = site.ask("GET", "/api/alerts", token="read")[1]["alerts"]
    assert (alert["acknowledged_by"], alert["state"]) == ("admin", "firing")
    code, output = site.command("list")
    assert (code, "firing, acknowledged by admin" in output) == (0, True)
    assert site.ask("GET", "/api/status", token="read")[1]["alerts"] == {"firing": 1, "worst": None}
    assert site.command("mute", "boil", "--for", "1h")[0] == 0
    assert site.ask("GET", "/api/alerts")[1]["alerts"][0]["muted_until"] is not None
    assert site.command("unmute", "boil")[0] == 0
    assert site.command("ack", "boil", "kettle boils", "--withdraw")[0] == 0
    assert site.command("remove", "boil")[0] == 0
    site.app.until(lambda: bool(site.app.app.alerts.history(1)["total"]))
    code, output = site.command("history")
    assert (code, "boil: 2 entries within 5 min" in output) == (0, True)
    assert hook.rest() == []


def test_a_rule_is_tried_over_the_past(site: Site) -> None:
    site.ask("POST", "/api/entries", {"message": "once in a blue moon"}, "write")
    status, found = site.ask("POST", "/api/alerts/trial", {"query": "blue moon", "since": "1h"}, "read")
    assert (status, found["fired"], found["entries"], found["complete"]) == (200, 1, 1, True)
    assert found["firings"][0]["matches"] == 1
    code, output = site.command("try", "blue moon", "--since", "1h", "--threshold", "2")
    assert (code, "would have fired 0 times" in output) == (0, True)


def test_a_test_message_is_sent(site: Site, hook: Webhook) -> None:
    status, found = site.ask("POST", "/api/alerts/test", {"rule": "fixed"})
    assert (status, [one["trouble"] for one in found["targets"]]) == (200, [None])
    assert hook.next()["title"].endswith("test message of the rule fixed")
    assert site.ask("POST", "/api/alerts/test", {"targets": ["nosuch"]})[0] == 404


def test_rules_are_made_replaced_and_removed_by_commands(site: Site) -> None:
    words = ("low", "water low", "--threshold", "3", "--window", "10m", "--severity", "critical")
    assert site.command("add", *words)[0] == 0
    assert site.command("add", *words) == (1, site.command("add", *words)[1])
    assert "there is a rule low already" in site.command("add", *words)[1]
    assert site.command("add", *words, "--fewer", "--replace")[0] == 0
    [rule] = [one for one in site.ask("GET", "/api/alerts")[1]["rules"] if one["name"] == "low"]
    assert (rule["threshold"], rule["window_s"], rule["fewer"], rule["severity"]) == (
        3,
        600,
        True,
        "critical",
    )
    assert site.command("remove", "low")[0] == 0
    assert "there is no rule" in site.command("remove", "low")[1]
    assert site.command("add", "low", "x", "--window", "soon")[0] == 2
    assert site.command("mute", "low")[0] == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/api/alerts/rules", b"{", 400, "expected an object with a query"),
        ("POST", "/api/alerts/rules", b"[" * 9000, 400, "expected an object with a query"),
        ("POST", "/api/alerts/rules", b" " * 20_000, 413, "found more than 16384 bytes"),
        ("POST", "/api/alerts/rules", {"query": "x"}, 400, "name: missing"),
        ("POST", "/api/alerts/rules", {"name": "a", "query": 5}, 400, "query: missing"),
        ("POST", "/api/alerts/rules", {"name": "A b", "query": "x"}, 400, "expected a name"),
        ("POST", "/api/alerts/rules", {"name": "a", "query": "x", "window_s": 0}, 400, "a.window_s: found 0"),
        ("POST", "/api/alerts/rules", {"name": "a", "query": "x", "targets": "y"}, 400, "a.targets"),
        ("POST", "/api/alerts/rules", {"name": "fixed", "query": "x"}, 409, "of the configuration"),
        ("PUT", "/api/alerts/rules/none", {"query": "x"}, 404, "there is no rule 'none'"),
        ("DELETE", "/api/alerts/rules/fixed", None, 409, "of the configuration"),
        ("POST", "/api/alerts/trial", {"query": "x", "since": "soon"}, 400, "since: found 'soon'"),
        (
            "POST",
            "/api/alerts/mutes",
            {"rule": "fixed", "until": "2001-01-01"},
            400,
            "within the next 366 days",
        ),
        ("POST", "/api/alerts/mutes", {"rule": "none", "until": "tomorrow"}, 404, "there is no rule 'none'"),
        (
            "POST",
            "/api/alerts/mutes",
            {"rule": "x" * 600, "until": "tomorrow"},
            400,
            "rule: found 600 characters",
        ),
        ("DELETE", "/api/alerts/mutes?rule=fixed", None, 404, "it is not muted"),
        ("DELETE", "/api/alerts/mutes", None, 400, "rule: missing"),
        ("POST", "/api/alerts/acknowledgements", {"rule": "fixed", "subject": "x"}, 404, "no such alert"),
        ("GET", "/api/alerts/history?limit=0", None, 400, "limit: found 0"),
    ],
)
def test_wrong_requests_are_refused_with_their_reason(
    site: Site, method: str, path: str, body: Any, status: int, text: str
) -> None:
    found, document = site.ask(method, path, body)
    assert (found, text in document["error"]) == (status, True), document
    assert site.rules() == ["fixed"]


def test_a_mistake_in_a_query_has_its_place(site: Site) -> None:
    for path in ("/api/alerts/rules", "/api/alerts/trial"):
        status, document = site.ask("POST", path, {"name": "a", "query": "pump ("})
        assert (status, document["parameter"], document["position"]) == (400, "query", 6)


@pytest.mark.parametrize("token", ["read", "write"])
def test_changes_take_the_scope_admin(site: Site, token: str) -> None:
    tried: list[Callable[[], tuple[int, Any]]] = [
        lambda: site.ask("POST", "/api/alerts/rules", {"name": "a", "query": "x"}, token),
        lambda: site.ask("PUT", "/api/alerts/rules/fixed", {"query": "x"}, token),
        lambda: site.ask("DELETE", "/api/alerts/rules/fixed", None, token),
        lambda: site.ask("POST", "/api/alerts/test", {}, token),
        lambda: site.ask("POST", "/api/alerts/mutes", {"rule": "fixed", "until": "tomorrow"}, token),
        lambda: site.ask("POST", "/api/alerts/acknowledgements", {"rule": "fixed", "subject": ""}, token),
    ]
    assert {ask()[0] for ask in tried} == {403}
    expected = 200 if token == "read" else 403
    assert site.ask("POST", "/api/alerts/trial", {"query": "x"}, token)[0] == expected


def test_rules_are_in_the_data_directory(site: Site) -> None:
    site.ask("POST", "/api/alerts/rules", {"name": "kept", "query": "x"})
    kept = json.loads((Path(site.app.app.settings.data_dir) / "alert-rules-made.json").read_text())
    assert list(kept["rules"]) == ["kept"]
    site.ask("DELETE", "/api/alerts/rules/kept")

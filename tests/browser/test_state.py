"""The server's state on the page: alerts, their targets, silent sources, incomplete results."""

import json
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.service

VIEWS: Final = ("overview", "live", "search", "charts", "devices", "storage")


def alert(number: int = 1, state: str = "firing", severity: str = "warning") -> dict[str, Any]:
    return {
        "rule": "source_silent",
        "subject": f"pump-{number} (device)",
        "severity": severity,
        "state": state,
        "since": "2026-01-01T10:00:00+00:00",
        "resolved_at": "2026-01-01T10:05:00+00:00" if state == "resolved" else None,
        "text": f"pump-{number} (device) is silent for 5 min",
    }


def source(state: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "listener": "device",
        "peer": "10.0.0.7",
        "first_seen": "2026-01-01T10:00:00+00:00",
        "last_seen": "2026-01-01T10:00:00+00:00",
        "silent_s": 300.0,
        "entries": 7,
        "interval_s": 2.0,
        "state": state,
        "level": "INFO",
        "message": "tick",
    }


def mend(page: "Page", path: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the server answers."""

    def answer(route: "Route") -> None:
        response = route.fetch()
        document = response.json()
        change(document)
        route.fulfill(response=response, body=json.dumps(document))

    page.route(f"**{path}", answer)


def let_fire(page: "Page", *alerts: dict[str, Any], notify: Any = (), **status: Any) -> None:
    """Have the server say that these alerts are there."""
    firing = [one for one in alerts if one["state"] == "firing"]
    worst = max((one["severity"] for one in firing), key=["warning", "critical"].index, default=None)
    counted = {"firing": len(firing), "worst": worst}
    mend(page, "/api/status", lambda document: document.update(status | {"alerts": counted}))
    mend(page, "/api/alerts", lambda document: document.update(alerts=alerts, notify=notify))


@pytest.mark.parametrize(
    ("severity", "headline", "state"),
    [("warning", "Needs attention: 1 alert", "warning"), ("critical", "Trouble: 1 alert", "error")],
)
def test_an_alert_that_fires_is_said_in_the_headline_and_on_every_view(
    page: "Page", site: str, severity: str, headline: str, state: str
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    let_fire(page, alert(severity=severity), alert(2, "resolved"))
    for view in VIEWS:
        visit(page, f"{site}/#/{view}")
        page.locator("#health").get_by_text("1 alert", exact=True).wait_for()
        assert page.locator("#health").get_attribute("data-state") == state
        assert page.locator("#health").get_attribute("title") == "pump-1 (device) is silent for 5 min"
    page.locator("#health").click()
    banner = page.get_by_role("region", name="Status")
    banner.get_by_text(headline, exact=True).wait_for()
    assert banner.get_by_role("listitem").all_inner_texts() == ["pump-1 (device) is silent for 5 min"]
    assert banner.get_attribute("data-state") == state


def test_the_servers_own_trouble_weighs_more_than_a_warning(page: "Page", site: str) -> None:
    let_fire(page, alert(), status="error", problems=["the journal can't store: no space"])
    visit(page, site)
    banner = page.get_by_role("region", name="Status")
    banner.get_by_text("Trouble: 1 alert", exact=True).wait_for()
    texts = ["the journal can't store: no space", "pump-1 (device) is silent for 5 min"]
    assert banner.get_by_role("listitem").all_inner_texts() == texts


def test_many_alerts_leave_room_for_the_rest(page: "Page", site: str) -> None:
    let_fire(page, *[alert(number) for number in range(9)])
    visit(page, site)
    banner = page.get_by_role("region", name="Status")
    banner.get_by_text("and 6 more", exact=True).wait_for()
    assert banner.get_by_role("listitem").count() == 4
    assert page.get_by_role("region", name="Alerts").locator(".alert-list li").count() == 9


def test_where_alerts_go_and_what_keeps_them_from_getting_there(page: "Page", site: str) -> None:
    notify = [
        {"name": "json://hooks.example.org", "trouble": "connection refused", "waiting": 3},
        {"name": "mailto://example.org", "trouble": None, "waiting": 0},
    ]
    let_fire(page, notify=notify)
    visit(page, site)
    targets = page.get_by_role("region", name="Alerts").locator(".targets li")
    targets.nth(1).wait_for()
    assert targets.all_inner_texts() == [
        "Goes to json://hooks.example.org · connection refused · 3 waiting",
        "Goes to mailto://example.org",
    ]
    assert targets.locator(".trouble").all_inner_texts() == [" · connection refused · 3 waiting"]


def test_a_silent_source_is_forgotten_after_a_question(page: "Page", site: str) -> None:
    sources = [source("live", "pump-1"), source("silent", "pump-2"), source("silent", "pump 3&4")]
    asked: list[str] = []

    def answer(route: "Route") -> None:
        if route.request.method == "DELETE":
            asked.append(route.request.url.partition("?")[2])
            if len(asked) == 1:
                route.fulfill(status=403, json={"error": "the token lacks the scope admin"})
                return
            sources.pop()
            route.fulfill(json={"forgotten": 1})
            return
        route.fulfill(json={"sources": sources, "total": len(sources), "skipped": 0})

    page.route("**/api/sources?*", answer)
    visit(page, site)
    region = page.get_by_role("region", name="Sources")
    row = region.get_by_role("row").filter(has_text="pump 3&4")
    forget = row.get_by_role("button", name="Forget pump 3&4", exact=True)
    forget.press("Enter")
    row.get_by_text("Forget pump 3&4?").wait_for()
    page.keyboard.press("Escape")
    forget.press("Enter")
    page.keyboard.press("Enter")  # "No" has the focus
    assert asked == []
    forget.click()
    yes = row.get_by_role("button", name="Forget pump 3&4: yes")
    yes.click()
    row.get_by_text("the token lacks the scope admin").wait_for()
    yes.click()
    row.wait_for(state="detached")
    assert asked == ["listener=device&name=pump+3%264"] * 2
    assert region.get_by_role("button").count() == 1, "only who is silent can be forgotten"


def test_on_a_phone_the_button_takes_no_room_from_the_names(page: "Page", site: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    sources = [
        source("live", "whaleon-36381825"),
        source("silent", "whaleon-36381824"),
        source("silent", "x" * 110),
    ]
    answer = {"sources": sources, "total": len(sources), "skipped": 0}
    page.route("**/api/sources?*", lambda route: route.fulfill(json=answer))
    visit(page, site)
    region = page.get_by_role("region", name="Sources")
    for name in ("whaleon-36381825", "whaleon-36381824"):
        cell = region.get_by_role("cell", name=name, exact=True)
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth"), f"{name} is cut"
    region.get_by_role("button", name=f"Forget {'x' * 110}", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for button in region.get_by_role("button").all():
        place = button.bounding_box()
        assert place is not None
        assert place["x"] + place["width"] < 360


def test_alerts_that_are_off_are_not_taken_for_quiet_ones(page: "Page", site: str) -> None:
    enabled = [True]
    mend(page, "/api/alerts", lambda document: document.update(alerts=[], enabled=enabled[0]))
    visit(page, site)
    region = page.get_by_role("region", name="Alerts")
    region.get_by_text("No alerts.", exact=True).wait_for()
    enabled[0] = False
    region.get_by_text("Alerts are off.", exact=True).wait_for()
    assert region.locator(".alert-list li").count() == 1


def test_before_the_first_entry_the_page_shows_how_to_send_one(
    page: "Page", site: str, server: ServerProcess
) -> None:
    visit(page, site)
    first = page.get_by_role("region", name="The first entry")
    first.get_by_text(f"{site}/api/entries").wait_for()
    host, port = site.removeprefix("http://").split(":")
    assert f"| nc -q1 {host} {server.ports['device']}" in first.inner_text()
    first.get_by_role("button", name="A team").click()
    first.get_by_text(f"LogboomHandler('http://{host}:{port}')").wait_for()
    first.get_by_text("Waiting for the first entry").wait_for()
    first.get_by_role("button", name="A plant").click()
    line = first.locator("code").filter(has_text="| nc").inner_text()
    subprocess.run(["bash", "-c", line], check=True, timeout=20)
    first.get_by_text("The first entry has arrived").wait_for()
    first.get_by_role("link", name="Search them").click()
    page.locator(".row", has_text="temp=71.5").wait_for()


def test_while_a_view_is_fetched_the_one_before_is_out_of_reach(page: "Page", site: str) -> None:
    held: list[Route] = []
    page.route("**/static/live.js", lambda route: held.append(route))  # noqa: PLW0108 - it must take an attribute
    visit(page, site)
    main = page.locator("main")
    with page.expect_request("**/static/live.js"):
        page.get_by_role("link", name="Live").click()
    assert (main.get_attribute("aria-busy"), main.get_attribute("inert")) == ("true", "")
    assert page.locator("main.overview").count() == 1
    held[0].continue_()
    page.locator("main.live").wait_for()
    assert (main.get_attribute("aria-busy"), main.get_attribute("inert")) == ("false", None)


def test_a_view_that_cant_be_fetched_can_be_tried_again(page: "Page", site: str) -> None:
    page.route("**/static/live.js", lambda route: route.abort())
    visit(page, site)
    page.get_by_role("link", name="Live").click()
    again = page.get_by_role("button", name="Try again")
    again.wait_for()
    page.unroute("**/static/live.js")
    again.click()
    page.locator("main.live").wait_for()


def test_a_histogram_that_is_not_all_counted_is_asked_for_again(page: "Page", site: str, post: Post) -> None:
    post([{"message": "counted", "source": "counted"}])
    rounds = iter((False, False))
    mend(page, "/api/volume?*", lambda document: document.update(complete=next(rounds, True)))
    with page.expect_response(lambda answer: "/api/volume" in answer.url and answer.json()["complete"]):
        visit(page, f"{site}/#/search?source=counted")
    page.locator(".legend").filter(has_not_text="not all counted yet").filter(
        has_text="no level 1"
    ).wait_for()


@pytest.mark.usefixtures("charts_installed")
def test_a_chart_that_is_not_all_read_says_so_and_goes_on(page: "Page", site: str, post: Post) -> None:
    post([{"source": "partly", "message": "x", "bar": 2.5}])
    complete = [False]
    mend(page, "/api/series?*", lambda document: document.update(complete=complete[0]))
    visit(page, f"{site}/#/charts?source=partly&field=bar")
    page.get_by_text("live, not all read yet").wait_for()
    complete[0] = True
    page.get_by_text("live", exact=True).wait_for()


def test_what_takes_long_is_asked_for_rarely(page: "Page", site: str) -> None:
    visit(page, site)
    waits = page.evaluate(
        """async () => {
          const { poll } = await import("/static/api.js");
          const waits = [];
          let now_ms = 0;
          performance.now = () => now_ms;
          const setTimer = window.setTimeout;
          for (const [took_ms, more] of [[10, false], [2000, false], [2000, true], [60000, false]]) {
            await new Promise((resolve) => {
              const timed = (act, wait_ms) => { waits.push(wait_ms); resolve(); };
              const round = poll(async () => { now_ms += took_ms; window.setTimeout = timed; return more; }, 3000);
              setTimer(() => round.stop());
            });
            window.setTimeout = setTimer;
          }
          return waits;
        }"""
    )
    assert waits == [3000, 20_000, 200, 30_000]


def test_long_texts_are_shown_whole_with_their_line_breaks_and_can_be_folded(
    page: "Page", site: str, post: Post
) -> None:
    trace = "\n".join(f'  File "/srv/app/{number}.py", line {number}, in run' for number in range(60))
    fields = {"trace": trace, "long": "x" * 30_000, "deep": {"inner": ["one", "two\nthree"]}}
    post([{"message": "short", "source": "long-field", **fields}])
    visit(page, f"{site}/#/search?source=long-field")
    page.locator(".rows").get_by_role("option").first.click()
    rows = page.locator("#entry .fields tr")
    shown = rows.filter(has_text="trace 60 lines").locator("pre")
    assert shown.inner_text() == trace
    rows.filter(has_text="trace 60 lines").locator("summary").click()
    shown.wait_for(state="hidden")
    folded = rows.filter(has_text="long 30,000 characters")
    assert folded.locator("pre").is_hidden()
    folded.locator("summary").click()
    folded.locator("pre:not(:empty)").wait_for()
    assert folded.locator("pre").inner_text() == "x" * 30_000
    assert rows.filter(has_text="2 lines").locator("pre").inner_text() == "two\nthree"
    assert "\\n" not in page.locator("#entry .fields").inner_text()


def test_the_servers_of_a_cluster_are_listed(page: "Page", site: str) -> None:
    """Real servers are in tests/integration/test_cluster.py."""
    server = {"url": "http://log-1:8222", "name": "log-1", "leader": True, "lag": 0, "trouble": None}
    away = {
        "url": "http://log-2:8222",
        "name": "http://log-2:8222",
        "leader": False,
        "lag": None,
        "trouble": "no answer: timeout",
    }
    found = {"stream": "logboom", "storing": True, "copy_lag": 3, "servers": [server, away]}

    visit(page, site)
    region = page.get_by_role("region", name="Cluster")
    page.get_by_role("region", name="Listeners").get_by_text("up", exact=True).first.wait_for()
    assert region.is_hidden()
    mend(page, "/api/status", lambda document: document.update(cluster=found))
    region.get_by_text(
        "Stream logboom. A majority stores entries; the copy here is 3 messages behind.", exact=True
    ).wait_for()
    assert region.locator(".state").all_inner_texts() == ["leader", "no answer: timeout"]

"""Search and Live as one explorer: completion, facets, patterns, marks, columns, and rows that unfold."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.service


@pytest.fixture(scope="module", autouse=True)
def _data(post: Post) -> None:
    trace = 'Traceback (most recent call last):\n  File "cart.py", line 4, in total\nKeyError: 5'
    post(
        {"level": "info", "message": f"user {n} logged in", "source": "web", "region": "eu west", "took": n}
        for n in range(30)
    )
    post(
        [
            {"level": "error", "message": f"cart {n} failed", "exc_info": trace, "region": "us"}
            for n in range(3)
        ]
    )


def test_a_facet_narrows_and_excludes(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user+or+cart")
    page.get_by_text("33 entries", exact=True).wait_for()
    page.get_by_role("button", name="Only region eu west").click()
    page.get_by_text("30 entries", exact=True).wait_for()
    assert page.get_by_label("Query").input_value() == '(user or cart) region:="eu west"'
    page.get_by_role("button", name="Exclude region eu west").click()
    page.get_by_text("3 entries", exact=True).wait_for()
    assert page.get_by_label("Query").input_value() == '(user or cart) -region:="eu west"'
    page.go_back()
    page.get_by_text("30 entries", exact=True).wait_for()


def test_numbers_have_their_range(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    facet = page.locator(".facet").filter(has_text="took")
    facet.wait_for()
    assert facet.locator("dl").text_content() == "min0p5014p9929max29"


def test_facets_go_on_with_the_part_before(page: "Page", site: str) -> None:
    def answer(values: dict[str, int], took: tuple[int, int], before: int | None) -> dict[str, Any]:
        count = sum(values.values())
        listed = [{"value": value, "count": number} for value, number in values.items()]
        facet = {"count": count, "distinct": len(values), "distinct_exact": True, "values_exact": True}
        numbers = {"count": count, "min": took[0], "max": took[1], "mean": took[0], "exact": True}
        numbers |= dict.fromkeys(("p50", "p90", "p99"), took[1])
        rows = [
            {"field": "region", "values": listed, "numbers": None, "complete": before is None, **facet},
            {"field": "size", "values": [], "numbers": numbers, "complete": before is None, **facet},
        ]
        reach = {"complete": before is None, "before": before, "progress": 0.5 if before else 1.0}
        return {"facets": rows, "fields_left_out": False, "entries": count, **reach}

    def part(url: str) -> dict[str, Any]:
        if "before=10" in url:
            return answer({"us": 5, "eu west": 1}, (50, 60), None)
        return (
            answer({"eu west": 3}, (1, 2), 10) if "seconds=15" in url else answer({"eu west": 2}, (1, 2), 20)
        )

    page.route("**/api/facets?*", lambda route: route.fulfill(json=part(route.request.url)))
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("Of the newest (50 % of the range) 2 entries").wait_for()
    page.get_by_role("button", name="Count more").click()
    page.get_by_text("Of the newest (50 % of the range) 3 entries").wait_for()
    page.locator(".facets").get_by_role("button", name="Go on").click()
    page.get_by_text("Of 9 entries").wait_for()
    assert page.locator(".facets").get_by_role("button", name="Go on").count() == 0
    values = page.locator(".facet").filter(has_text="region").locator("li").all_inner_texts()
    assert [text.split("\n")[:2] for text in values] == [["us", "5"], ["eu west", "4"]]
    numbers = page.locator(".facet").filter(has_text="size").locator("dd").all_inner_texts()
    assert (numbers[0], numbers[-1]) == ("1", "60")
    assert numbers[1].startswith("~5")


def test_patterns_lead_to_their_entries(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user+or+cart")
    page.get_by_role("button", name="Patterns").click()
    page.get_by_text("33 entries, 2 message patterns, 1 exception").wait_for()
    assert page.locator(".listed").is_hidden()
    assert page.get_by_role("region", name="Exceptions").get_by_role("link").inner_text() == "KeyError: <*>"
    page.get_by_role("link", name="user <*> logged in").click()
    page.get_by_text("30 entries", exact=True).wait_for()
    assert page.locator(".row").first.is_visible()


def test_patterns_go_on_with_the_part_before(page: "Page", site: str) -> None:
    def answer(count: int, day: int, before: int | None) -> dict[str, Any]:
        seen = f"2026-11-{day:02d}T10:00:00.000000+00:00"
        group = {
            "template": "pump <*>",
            "query": "pump",
            "count": count,
            "first_seen": seen,
            "last_seen": seen,
        }
        group |= {"levels": {"INFO": count}, "sources": {"web": count}}
        reach = {"complete": before is None, "before": before, "progress": 0.5 if before else 1.0}
        none = {"exceptions": [], "exceptions_total": 0, "messages_total": 1}
        return {"messages": [group], "entries": count, **none, **reach}

    parts = {False: answer(3, 20, 10), True: answer(4, 10, None)}
    page.route("**/api/patterns?*", lambda route: route.fulfill(json=parts["before=10" in route.request.url]))
    visit(page, f"{site}/#/search?q=user&view=patterns")
    page.get_by_text("the newest 50 % of the range: 3 entries").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("7 entries, 1 message pattern, 0 exceptions").wait_for()
    assert page.get_by_role("button", name="Go on").is_hidden()
    cells = page.get_by_role("region", name="Messages").locator("td").all_inner_texts()
    assert cells[0] == "7"
    assert cells[3] != cells[4]


def test_on_a_phone_the_fields_are_in_a_drawer(page: "Page", site: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("30 entries", exact=True).wait_for()
    value = page.get_by_role("button", name="Only level INFO")
    assert value.is_hidden()
    page.get_by_text("Fields", exact=True).click()
    value.click()
    page.wait_for_function("() => location.hash.includes('level%3AINFO')")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_value_in_an_entry_narrows(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("30 entries", exact=True).wait_for()
    page.locator(".row").first.click()
    page.get_by_role("link", name="Only took 29").click()
    page.get_by_text("1 entry", exact=True).wait_for()
    assert page.get_by_label("Query").input_value() == "user took:=29"


def test_keys_select_entries_and_go_to_the_query(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("30 entries", exact=True).wait_for()
    page.locator(".rows").focus()
    for key, text in (("j", "user 29"), ("j", "user 28"), ("k", "user 29")):
        page.keyboard.press(key)
        page.locator("#entry .entry-message").get_by_text(text).wait_for()
    page.keyboard.press("/")
    assert page.get_by_label("Query").evaluate("input => input === document.activeElement")
    assert page.get_by_label("Query").input_value() == "user"


def test_fields_and_values_are_completed_with_the_keyboard(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search")
    query = page.get_by_role("combobox", name="Query")
    query.press_sequentially("user -reg")
    page.get_by_role("option", name="region").wait_for()
    assert query.get_attribute("aria-expanded") == "true"
    query.press("ArrowDown")
    query.press("Enter")
    offered = page.get_by_role("listbox", name="Completions").get_by_role("option")
    offered.filter(has_text="us").wait_for()
    assert query.input_value() == "user -region:"
    query.press_sequentially("eu")
    offered.filter(has_text="us").wait_for(state="detached")
    query.press("ArrowDown")
    assert offered.inner_text().split() == ["eu", "west", "30"]
    assert offered.get_attribute("id") == query.get_attribute("aria-activedescendant")
    query.press("Tab")
    page.get_by_text("0 entries", exact=True).wait_for()
    assert query.input_value() == 'user -region:="eu west" '
    assert query.get_attribute("aria-expanded") == "false"


def test_what_a_query_looks_for_is_marked(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=LOG*+-cart+region:eu+took:<9&columns=message,region")
    page.get_by_text("9 entries", exact=True).wait_for()
    row = page.locator(".row:not([hidden])").first
    assert row.locator("mark").all_inner_texts() == ["log", "eu"]
    assert row.locator(".message").inner_text() == "user 8 logged in"


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("pump", "pumping a Pump", ["Pump"]),
        ("pump* or *ing", "pumping a pump", ["pump", "ing", "pump"]),
        ('"a (b)"', "x a (b) y", ["a (b)"]),
        ("-pump not (a or b) c", "pump a b c", ["c"]),
        ('~"[0-9]+ ms" level:error', "error 35 ms", ["35 ms"]),
        ("エラー", "注文エラーが", ["エラー"]),
        ("temp:>20 msg:dry", "20 is dry", ["dry"]),
        ('~"(?P<x>" *', "anything", []),
    ],
)
def test_marks_are_those_of_the_query_language(
    page: "Page", site: str, query: str, text: str, marked: list[str]
) -> None:
    page.goto(f"{site}/static/icon.svg")
    found = page.evaluate(
        """async ([query, text]) => {
          const { Marks, pieces } = await import("/static/marks.js");
          const found = pieces(text, new Marks(query).of("msg"));
          return found.map((one) => one.textContent).filter(Boolean);
        }""",
        [query, text],
    )
    assert found == marked


def test_columns_are_picked_and_kept(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("30 entries", exact=True).wait_for()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="region").check()
    page.get_by_role("checkbox", name="level").uncheck()
    page.get_by_label("Add a column").fill("took")
    page.get_by_label("Add a column").press("Enter")
    for view in ("search", "live"):
        visit(page, f"{site}/#/{view}?q=user")
        page.reload()
        heads = page.locator(".heads span").filter(has_text="took")
        heads.wait_for()
        assert page.locator(".heads span").all_inner_texts()[1:] == [
            "time",
            "source",
            "region",
            "took",
            "message",
        ]
        row = page.locator(".row[role=option]").filter(has_text="user 29 ").first
        row.wait_for()
        assert row.locator(".field-cell").all_inner_texts() == ["eu west", "29"]


def test_rows_unfold_and_wrap_in_place(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=cart")
    page.get_by_text("3 entries", exact=True).wait_for()
    first, second = page.locator(".row[role=option]").nth(0), page.locator(".row[role=option]").nth(1)
    before = second.bounding_box()
    first.locator(".fold").click()
    unfolded = first.locator(".unfold")
    assert "exc_info:\n  Traceback" in unfolded.inner_text()
    after, height = second.bounding_box(), first.bounding_box()
    assert before is not None
    assert after is not None
    assert height is not None
    assert before["y"] < height["y"] + height["height"] <= after["y"] < height["y"] + height["height"] + 1
    assert page.locator("#entry").is_hidden()
    second.click()
    for key, count in (("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        assert page.locator(".unfold").count() == count
    page.get_by_role("button", name="Wrap").click()
    page.reload()
    page.locator(".rows.wrapped .row").first.wait_for()


def test_a_number_in_an_entry_leads_to_its_chart(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    page.locator(".row").first.click()
    page.get_by_role("link", name="Chart took").click()
    page.wait_for_function("() => location.hash.startsWith('#/charts?source=web&listener=http')")
    assert page.get_by_role("checkbox", name="took").is_checked()


def test_search_and_live_share_their_filters(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=cart&level=ERROR")
    page.get_by_role("link", name="Live").click()
    page.locator("main.live .row").first.wait_for()
    assert page.get_by_label("Query").input_value() == "cart"
    page.get_by_role("button", name="Exclude region us").click()
    page.get_by_text("Nothing matches these filters yet.").wait_for()
    page.get_by_role("link", name="Search").click()
    page.get_by_text("0 entries", exact=True).wait_for()
    assert page.get_by_label("Level", exact=True).input_value() == "ERROR"
    page.get_by_role("link", name="Overview").click()
    page.locator("main.overview").wait_for()
    assert page.get_by_role("link", name="Search").get_attribute("href") == "#/search"


def test_a_trace_is_copied_as_it_was_sent(page: "Page", site: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, f"{site}/#/search?q=cart")
    page.locator(".row").first.click()
    page.locator("#entry tr.long").get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith(
        "Traceback (most recent call last):\n  File"
    )


def test_an_entry_is_shown_among_those_of_its_source_or_of_all(page: "Page", site: str, post: Post) -> None:
    post({"message": f"line {n}", "device": ("left", "right")[n % 2]} for n in range(100))
    visit(page, f"{site}/#/search?q=line+50&source=left")
    page.get_by_text("1 entry", exact=True).wait_for()
    page.locator(".rows").focus()
    page.keyboard.press("j")
    page.locator("#entry .entry-message").get_by_text("line 50").wait_for()
    page.keyboard.press("o")
    shown = page.locator("main.entry .row:not([hidden])")
    page.locator(".row.marked").get_by_text("line 50").wait_for()
    around = page.locator("main.entry .row", has_text="line 48")
    around.wait_for()
    assert "right" not in " ".join(shown.all_inner_texts())
    page.get_by_role("button", name="All sources").click()
    page.locator("main.entry .row", has_text="line 49").wait_for()
    top = page.locator(".row.marked").bounding_box()
    page.get_by_role("button", name="20 more before").evaluate("button => button.click()")
    page.get_by_role("button", name="20 more before").and_(page.locator(":enabled")).wait_for()
    assert page.locator(".row.marked").bounding_box() == top
    for _ in range(30):
        page.get_by_role("listbox").press("ArrowUp")
    page.locator("#entry .entry-message").get_by_text("line 20").wait_for()


def test_the_link_to_an_entry_is_copied_and_leads_to_it(page: "Page", site: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, f"{site}/#/search?q=cart")
    page.locator(".row").first.click()
    page.keyboard.press("y")
    page.get_by_role("status").filter(has_text="Link to entry").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(rf"{site}/#/entry\?sequence=\d+", copied)
    page.goto(copied)
    page.locator(".row.marked").get_by_text("cart 2 failed").wait_for()
    visit(page, f"{site}/#/entry?sequence=123456")
    page.get_by_text("This entry is no longer kept, or was never stored.").wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").get_by_text("copy the link").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="Keys").wait_for(state="detached")


def test_a_view_is_saved_for_all_users_or_for_this_browser(
    page: "Page", browser: "Browser", site: str
) -> None:
    visit(page, f"{site}/#/search?q=user&since=3d")
    page.get_by_text("Saved", exact=True).click()
    page.get_by_label("Save it for").select_option("this browser")
    page.get_by_label("Name of this view").fill("mine")
    page.get_by_label("Name of this view").press("Enter")
    page.get_by_role("link", name="mine").wait_for()
    other = browser.new_page()
    other.goto(f"{site}/#/live")
    other.get_by_text("Saved", exact=True).click()
    other.get_by_text("Nothing is saved yet.").wait_for()
    page.get_by_role("button", name="Save mine for all users").click()
    page.get_by_role("button", name="Save mine for all users").wait_for(state="detached")
    other.reload()
    other.get_by_text("Saved", exact=True).click()
    other.get_by_role("link", name="mine").click()
    other.get_by_text("30 entries", exact=True).wait_for()
    other.get_by_text("Saved", exact=True).click()
    other.get_by_role("button", name="Remove mine").click()
    other.get_by_text("Nothing is saved yet.").wait_for()
    other.close()


def test_a_view_is_saved_with_its_query_and_columns(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user&since=3d&columns=message,region")
    page.get_by_text("Saved", exact=True).click()
    page.get_by_label("Name of this view").fill("<b>users</b>")
    page.get_by_label("Name of this view").press("Enter")
    page.get_by_role("link", name="<b>users</b>").wait_for()
    visit(page, f"{site}/#/live")
    page.reload()
    page.get_by_text("Saved", exact=True).click()
    page.get_by_role("link", name="<b>users</b>").click()
    page.get_by_text("30 entries", exact=True).wait_for()
    assert page.url.endswith("#/search?q=user&since=3d&columns=message%2Cregion")
    assert page.locator(".row[role=option]").first.locator("span.time").count() == 0
    page.get_by_text("Saved", exact=True).click()
    page.get_by_role("button", name="Remove <b>users</b>").click()
    page.get_by_text("Nothing is saved yet.").wait_for()


def test_several_sources_and_one_level_are_asked_for(page: "Page", site: str, post: Post) -> None:
    names = ("north or", 'say "hi"', "south")
    post(
        {"message": f"{level} of {name}", "level": level, "source": name}
        for name in names
        for level in ("info", "error")
    )
    visit(page, f"{site}/#/search?source=north+or")
    page.get_by_text("2 entries", exact=True).wait_for()
    page.get_by_role("button", name="Add another source").click()
    page.get_by_label("Another source", exact=True).fill('say "hi"')
    page.get_by_text("4 entries", exact=True).wait_for()
    page.get_by_label("Level", exact=True).select_option("= INFO")
    page.get_by_text("2 entries", exact=True).wait_for()
    assert page.get_by_label("Query").input_value() == ""
    page.get_by_role("link", name="Live").click()
    page.locator("main.live .row").nth(1).wait_for()
    rows = page.locator("main.live .row:not([hidden]) .message").all_inner_texts()
    assert sorted(rows) == ["info of north or", 'info of say "hi"']
    page.reload()
    assert page.get_by_label("Another source", exact=True).input_value() == 'say "hi"'


def test_a_range_of_ones_own(page: "Page", site: str, post: Post) -> None:
    ago = datetime.now(UTC) - timedelta(days=1)
    post([{"message": "long past", "time": f"{ago:%Y-%m-%dT%H:%M:%SZ}", "source": "past"}])
    visit(page, f"{site}/#/search?source=past")
    page.get_by_text("0 entries", exact=True).wait_for()
    page.get_by_label("Range").select_option("last …")
    page.get_by_label("Last").fill("last 1 d 90 min")
    page.get_by_text("1 entry", exact=True).wait_for()
    page.get_by_role("button", name="Time: local").click()
    assert page.get_by_label("Last").input_value() == "last 1 d 90 min"
    page.locator(".row .time", has_text=f"{ago:%H:%M:%S}").wait_for()
    page.get_by_label("Range").select_option("yesterday")
    page.get_by_text("1 entry", exact=True).wait_for()
    page.get_by_label("Range").select_option("from … to")
    assert page.get_by_label("From").input_value() == f"{ago:%Y-%m-%d}T00:00"
    page.get_by_label("From").fill(f"{ago:%Y-%m-%dT%H:%M:%S}")
    page.wait_for_function("() => location.hash.includes('since=2')")
    page.get_by_text("1 entry", exact=True).wait_for()
    page.get_by_role("button", name="Time: UTC").click()


@pytest.mark.parametrize(
    ("range_", "since", "until"),
    [
        ("3d", "2026-11-28T01:30:00", ""),
        ("last 3 d", "2026-11-28T01:30:00", ""),
        ("1h30m", "2026-12-01T00:00:00", ""),
        ("0.5 hours ago", "2026-12-01T01:00:00", ""),
        ("yesterday", "2026-11-30T00:00:00", "2026-12-01T00:00:00"),
        ("today", "2026-12-01T00:00:00", ""),
        ("all", "", ""),
        ("3 parsecs", "3 parsecs", ""),
    ],
)
def test_ranges(page: "Page", site: str, range_: str, since: str, until: str) -> None:
    page.goto(f"{site}/static/icon.svg")
    found = page.evaluate(
        """async (since) => {
          const { setUtc } = await import("/static/zone.js");
          const { fixed } = await import("/static/ranges.js");
          setUtc(true);
          const found = fixed({ since, until: "" }, Date.parse("2026-12-01T01:30:00Z"));
          return [found.since, found.until].map((one) => one.replace(".000Z", ""));
        }""",
        range_,
    )
    assert found == [since, until]


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("uptime_ms", 259_200_000, "3.0 d"),
        ("took_ms", 35, "35 ms"),
        ("durationMs", 2100, "2.1 s"),
        ("wait_seconds", 5400, "90.0 min"),
        ("lag_ns", 1500, "1.5 µs"),
        ("heap_free", 204_800, "200 KiB"),
        ("items", 1234, "1,234"),
        ("terms", 7, "7"),
    ],
)
def test_numbers_are_for_people(page: "Page", site: str, name: str, number: int, text: str) -> None:
    page.goto(f"{site}/static/icon.svg")
    script = """async ([name, number]) => (await import("/static/units.js")).writersOf(name).sent(number)"""
    assert page.evaluate(script, [name, number]) == text


@pytest.mark.usefixtures("charts_installed")
def test_a_part_of_the_live_histogram_is_looked_at_in_search(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/live?q=cart")
    page.locator(".legend").get_by_text("error 3").wait_for()
    box = page.locator(".volume .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20, steps=4)
    page.mouse.up()
    page.locator("main.search").wait_for()
    page.get_by_text("3 entries", exact=True).wait_for()
    assert page.get_by_label("Query").input_value() == "cart"
    assert page.get_by_label("Range").input_value() == "own"


def test_the_width_of_the_entry_is_dragged_and_kept(page: "Page", site: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    visit(page, f"{site}/#/search?q=user")
    page.locator(".row").first.click()
    grip = page.get_by_role("separator", name="Width of the entry")
    box = grip.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, 400)
    page.mouse.down()
    page.mouse.move(700, 400, steps=3)
    page.mouse.up()
    panel = page.locator("#entry")
    assert panel.evaluate("panel => panel.offsetWidth") == 740
    grip.press("ArrowRight")
    assert grip.get_attribute("aria-valuenow") == "700"
    page.reload()
    page.locator(".row").first.click()
    assert panel.evaluate("panel => panel.offsetWidth") == 700


def test_each_view_is_reached_by_the_navigation_of_a_phone(page: "Page", site: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    visit(page, site)
    for link in page.locator("nav a").all():
        link.click()
        page.locator(f"main.{link.get_attribute('data-view')}").wait_for()
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert int(box["x"] + box["width"]) <= 360
        assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.usefixtures("charts_installed")
def test_charts_of_several_sources_are_made_by_clicking(page: "Page", site: str, post: Post) -> None:
    post({"message": "x", "source": f"boiler-{n % 3}", "bar": n % 3 + 0.5} for n in range(9))
    visit(page, f"{site}/#/charts?source=boiler-0&listener=http")
    for name in ("boiler-1", "boiler-2"):
        page.get_by_label("Compare with").select_option(f"http {name}")
        page.get_by_role("button", name=f"Remove {name}").wait_for()
    chart = page.get_by_role("figure", name="bar")
    chart.locator("b").nth(2).get_by_text("2.5", exact=True).wait_for()
    assert chart.locator(".compared").all_inner_texts() == ["boiler-0 0.5", "boiler-1 1.5", "boiler-2 2.5"]
    page.reload()
    chart.locator("b").nth(2).get_by_text("2.5", exact=True).wait_for()
    page.get_by_role("button", name="Remove boiler-1").click()
    page.get_by_role("button", name="Remove boiler-1").wait_for(state="detached")
    chart.locator(".compared").nth(1).get_by_text("boiler-2 2.5").wait_for()
    page.get_by_role("button", name="Remove boiler-0").click()
    page.wait_for_function("() => location.hash.includes('source=boiler-2')")
    chart.locator("figcaption > b").get_by_text("2.5", exact=True).wait_for()

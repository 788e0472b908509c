import pytest
from aiohttp.test_utils import make_mocked_request

from logboom.web.security import is_cross_origin


@pytest.mark.parametrize(
    ("headers", "cross"),
    [
        ({}, False),
        ({"Origin": "http://logs.example:8080"}, False),
        ({"Origin": "https://LOGS.example:8080"}, False),
        ({"Origin": "http://logs.example"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "file://"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-site"}, True),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
    ],
)
def test_only_pages_of_our_own_may_act(headers: dict[str, str], cross: bool) -> None:
    headers = {"Host": "logs.example:8080", "User-Agent": "Mozilla/5.0 (X11)", **headers}
    assert is_cross_origin(make_mocked_request("POST", "/api/entries", headers=headers)) is cross


@pytest.mark.parametrize("agent", [{}, {"User-Agent": "node"}, {"User-Agent": "ESP32 Mozilla/5.0"}])
@pytest.mark.parametrize(
    "origin", ["file://", "null", "https://github.com/gilmaimon/TinyWebsockets", "http://a.b"]
)
def test_what_is_no_browser_may_have_any_origin(agent: dict[str, str], origin: str) -> None:
    headers = {"Host": "logs.example:8080", "Origin": origin, **agent}
    assert not is_cross_origin(make_mocked_request("GET", "/", headers={**headers, "Upgrade": "websocket"}))
    assert is_cross_origin(
        make_mocked_request("POST", "/", headers={**headers, "Sec-Fetch-Site": "cross-site"})
    )

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
        ({"Origin": "null"}, True),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, True),
    ],
)
def test_only_pages_of_our_own_may_act(headers: dict[str, str], cross: bool) -> None:
    request = make_mocked_request("POST", "/api/entries", headers={"Host": "logs.example:8080", **headers})
    assert is_cross_origin(request) is cross

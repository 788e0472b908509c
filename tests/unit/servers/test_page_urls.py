"""The addresses of the page, as they are logged at the start."""

import pytest

from logboom.servers import page_urls as module
from logboom.servers.page_urls import page_urls
from logboom.settings import ListenerSettings


@pytest.mark.parametrize(
    ("host", "urls"),
    [
        ("127.0.0.1", ["http://127.0.0.1:8080/"]),
        ("127.0.0.1,::1", ["http://127.0.0.1:8080/", "http://[::1]:8080/"]),
        ("0.0.0.0", ["http://127.0.0.1:8080/", "http://192.0.2.7:8080/"]),
        ("*", ["http://127.0.0.1:8080/", "http://192.0.2.7:8080/"]),
        ("logs.example.org", ["http://logs.example.org:8080/"]),
    ],
)
def test_urls_that_a_browser_can_open(host: str, urls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "outer_address", lambda: "192.0.2.7")
    assert page_urls(ListenerSettings(protocol="http", host=host, port=0), 8080) == urls


def test_a_certificate_makes_it_https() -> None:
    settings = ListenerSettings(protocol="http", host="127.0.0.1", port=0, tls_cert="c.pem", tls_key="k.pem")
    assert page_urls(settings, 443) == ["https://127.0.0.1:443/"]


def test_this_machine_has_an_address_or_a_name() -> None:
    assert module.outer_address()

"""What may be shown around."""

import pytest

from logboom.formats.redaction import redacted, redacted_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:geheim@host:6379/0", "redis://***@host:6379/0"),
        ("postgresql://anna:geheim@host/db", "postgresql://***@host/db"),
        (
            "postgresql://host/db?password=geheim&sslmode=require",
            "postgresql://host/db?password=***&sslmode=require",
        ),
        ("https://host/path", "https://host/path"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("logs/geheim@file", "logs/geheim@file"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


def test_secrets_are_hidden_wherever_they_stand() -> None:
    table = {
        "data_dir": "x",
        "outputs": {
            "r": {"type": "redis", "url": "redis://u:geheim@h", "token": "geheim"},
            "e": {"token": ""},
        },
        "alerts": {"notify": ["slack://geheim/b/c", "mailto://u:geheim@example.org"]},
    }
    shown = redacted(table)
    assert "geheim" not in str(shown)
    assert shown["data_dir"] == "x"
    assert shown["outputs"]["e"]["token"] == ""
    assert shown["alerts"]["notify"] == ["slack://***", "mailto://***"]
    assert table["outputs"]["r"]["token"] == "geheim"  # type: ignore[index]

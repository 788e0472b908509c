"""What may be shown around."""

import pytest

from logboom.formats.redaction import place, redacted, redacted_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:geheim@host:6379/0", "redis://***@host:6379/0"),
        ("postgresql://anna:geheim@host/db", "postgresql://***@host/db"),
        (
            "postgresql://host/db?password=geheim&sslmode=require",
            "postgresql://host/db?password=***&sslmode=require",
        ),
        ("https://host/path", "https://host/***"),
        ("https://host", "https://host"),
        ("https://host/", "https://host/"),
        ("https://host:8443?geheim", "https://host:8443/***"),
        ("https://host#geheim", "https://host/***"),
        ("https://me:geheim@host/geheim?geheim", "https://***@host/***"),
        ("HTTPS://host/geheim", "HTTPS://host/***"),
        ("tgram://geheim/geheim/", "tgram://***"),
        ("rediss://host/0?auth=geheim&db=1", "rediss://host/0?auth=***&db=1"),
        ("redis://host/0#token=geheim", "redis://host/0#token=***"),
        ("postgresql://host/db?passfile=geheim", "postgresql://host/db?passfile=***"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("logs/geheim@file", "logs/geheim@file"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql://me:s%2Fecret@db.example:5432/logs?sslmode=require",
            "postgresql://db.example:5432/logs",
        ),
        ("postgresql:///logs?host=/run&password=secret", "postgresql:///logs"),
        ("postgresql://me:s/secret@host/db", "the server of `url`"),
        ("postgresql://me:s?secret@host/db", "the server of `url`"),
        ("postgresql://me:s#secret@host/db", "the server of `url`"),
        ("postgresql://me:s[secret@host/db", "the server of `url`"),
        ("postgresql://me:a@secret@host/db", "postgresql://host/db"),
        ("redis://u:secret@h:1/0?password=secret", "redis://h:1/0"),
        ("unix://u:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("https://host/secret/secret?secret#secret", "https://host"),
        ("https://u:secret@host:8443/secret", "https://host:8443"),
    ],
)
def test_where_a_url_leads_to_is_shown_without_its_password(url: str, shown: str) -> None:
    assert place(url) == shown


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


def test_a_secret_is_one_whatever_its_type() -> None:
    assert redacted({"token": 12345, "password": ["a"], "secret": "", "port": 5}) == {
        "token": "***",
        "password": ["***"],
        "secret": "",
        "port": 5,
    }

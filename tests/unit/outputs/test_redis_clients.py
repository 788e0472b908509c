import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from logboom.errors import ConfigError, OutputError
from logboom.outputs.redis import RedisOutput, RedisSettings
from logboom.outputs.redis_clients import ANSWER_TIMEOUT_S, NativeClient, RestClient, make_client
from logboom.outputs.registry import output_settings


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"url": "http//x"}, "has to start with one of redis://"),
        ({"url": "mysql://user:secret@host"}, "has to start with one of redis://"),
        ({"url": "https://x"}, "needs a `token`"),
        ({"url": "redis://x", "token": "secret"}, "takes no `token`"),
        ({"token": "secret"}, "takes no `token`"),
        ({"expire_s": 0}, "expire_s"),
    ],
)
def test_wrong_settings_are_named_and_secrets_are_not(table: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=r"^outputs\.o") as caught:
        output_settings("o", {"type": "redis", **table})
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_defaults_are_document_004s() -> None:
    settings = RedisSettings(type="redis")
    assert (settings.expire_s, settings.recent_max, settings.global_max) == (604_800, 100, 1000)


@pytest.mark.parametrize(
    ("url", "connection"),
    [
        ("redis://host:1234/5", redis.Connection),
        ("rediss://host", redis.SSLConnection),
        ("unix:///run/redis.sock", redis.UnixDomainSocketConnection),
    ],
)
def test_native_urls(url: str, connection: type) -> None:
    client = make_client(url, "")
    assert isinstance(client, NativeClient)
    assert client._redis.connection_pool.connection_class is connection
    client.close()
    client.close()


def test_the_rest_library_never_waits_for_ever() -> None:
    """It has no setting for a timeout: should its inside change, this tells."""
    client = make_client("https://host", "token")
    assert isinstance(client, RestClient)
    assert client._redis._http._client.timeout.read == ANSWER_TIMEOUT_S
    client.close()


def test_a_url_that_cannot_be_read_keeps_its_password() -> None:
    with pytest.raises(OutputError, match="url: it can't be read") as caught:
        make_client("redis://user:sec/ret@host:6379/0", "")
    assert "sec" not in str(caught.value)


def test_nobody_there() -> None:
    client = make_client("redis://user:secret@127.0.0.1:1/3?health_check_interval=5", "")
    with pytest.raises(OutputError, match=r"^redis://127\.0\.0\.1:1/3: .*refused") as caught:
        client.hget("key", "field")
    assert "secret" not in str(caught.value)
    client.close()
    rest = make_client("http://127.0.0.1:1", "secret")
    with pytest.raises(OutputError, match=r"^http://127\.0\.0\.1:1: ConnectError") as caught:
        rest.hget("key", "field")
    assert "secret" not in str(caught.value)
    rest.close()


@pytest.mark.parametrize(
    ("url", "token", "module", "extra"),
    [
        ("redis://x", "", "redis", "redis"),
        ("https://x", "t", "upstash_redis", "redis-rest"),
        ("https://x", "t", "httpx", "redis-rest"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    url: str, token: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    output = RedisOutput(RedisSettings(type="redis", url=url, token=token), "o", tmp_path)
    with pytest.raises(OutputError, match=rf"pip install 'logboom\[{extra}\]'"):
        output.open()
    with pytest.raises(OutputError, match="not connected"):
        output.rewind(0)
    output.close()

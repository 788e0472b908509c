"""`HelloMsg`: who a newer client says it is."""

from pathlib import Path
from typing import Any

import capnp  # type: ignore[import-untyped]
import pytest

from logboom.formats.capnp_hello import HELLO_START, NAME_CHARACTERS_MAX, BadHelloError, identity

CLIENT = capnp.SchemaParser().load(str(Path(__file__).parents[2] / "schemas" / "logger_client.capnp"))


def hello(**fields: Any) -> bytes:
    return bytes(CLIENT.HelloMsg.new_message(**fields).to_bytes())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"fromName": "trader", "fromHost": "desk7"}, "trader@desk7"),
        ({"fromName": "trader", "fromAddress": "10.0.0.7:5123"}, "trader@10.0.0.7:5123"),
        ({"fromName": "trader", "fromHost": "desk7", "fromAddress": "10.0.0.7"}, "trader@desk7"),
        ({"fromName": "trader"}, "trader"),
        ({"fromHost": "desk7"}, "desk7"),
        ({}, ""),
        ({"fromName": " \n\t "}, ""),
        ({"fromName": "a b\r\n[ERROR] forged\x1b[0m", "fromHost": "h\0h"}, "a_b_[ERROR]_forged_[0m@h_h"),
        (
            {"fromName": "ä" * 1000, "fromHost": "h" * 1000},
            "ä" * NAME_CHARACTERS_MAX + "@" + "h" * NAME_CHARACTERS_MAX,
        ),
    ],
)
def test_the_names_are_the_identity(fields: dict[str, str], expected: str) -> None:
    message = hello(**fields)
    assert message.startswith(HELLO_START)
    assert identity(message) == expected


def test_what_is_no_hello_is_said_so() -> None:
    message = hello(fromName="trader", fromHost="desk7")
    for bad in (
        HELLO_START,
        message[:-8],
        message[:-3],
        HELLO_START + b"\xff" * 36,
        message.replace(b"trader", b"tr\xe4der"),
    ):
        with pytest.raises(BadHelloError, match=f"malformed HelloMsg of {len(bad)} bytes"):
            identity(bad)

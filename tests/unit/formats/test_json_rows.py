"""JSON lines with chosen fields."""

import json

from logboom.formats.json_rows import json_rows
from logboom.journal.segments import prefix, suffix
from logboom.testing.output_kit import FIRST_NS


def rows(*entries: bytes, fields: str) -> list[str]:
    data = b"".join(prefix(FIRST_NS) + entry + suffix("10.0.0.1", "device") for entry in entries)
    return json_rows(range(5, 5 + len(entries)), data, fields.split(",")).decode().splitlines()


def test_values_are_as_they_were_sent_and_missing_ones_are_left_out() -> None:
    entry = (
        b'{"msg":"a \\"b\\"","temp":24.10,"big":12345678901234567890,"on":false,"no":null,"in":{"x":[1.50]}}'
    )
    fields = "sequence,source,listener,message,temp,big,on,no,in.x,in,gone"
    [row] = rows(entry, fields=fields)
    assert row == (
        '{"sequence":5,"source":"10.0.0.1","listener":"device","message":"a \\"b\\"","temp":24.10,'
        '"big":12345678901234567890,"on":false,"in.x":[1.50],"in":{"x":[1.50]}}'
    )
    assert rows(b"{}", entry, fields="gone") == ["{}", "{}"]


def test_names_with_quotes_and_damaged_lines() -> None:
    assert rows(b'{"a\\"b":1}', b'{"a":', b"{}", fields='a"b,sequence') == [
        '{"a\\"b":1,"sequence":5}',
        '{"sequence":7}',
    ]
    [whole] = rows(b'{"msg":"\\u00fc","device":"a\\tb"}', fields="entry,message,time,sender")
    assert json.loads(whole) == {
        "entry": {"msg": "ü", "device": "a\tb"},
        "message": "ü",
        "time": "2025-11-12T19:08:58.838190+00:00",
        "sender": "a\tb",
    }

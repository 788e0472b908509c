"""Lines and labels of entries of any shape, as LogQL selects them."""

import json
from typing import Any

import pytest

from logboom.query.filter.compiler import CompiledFilter
from logboom.query.logql.logql_compiler import compile_selection
from logboom.query.logql.logql_parser import parse_selection


def selects(query: str, entry: Any) -> bool:
    wanted = compile_selection(parse_selection(query)).wanted
    raw = entry if isinstance(entry, bytes) else json.dumps(entry, ensure_ascii=False).encode()
    return CompiledFilter(wanted.condition()).meets(raw, "10.0.0.5", "http")


@pytest.mark.parametrize(
    ("query", "entry", "expected"),
    [
        ('{} |= "Valve"', {"message": "Valve"}, True),
        ('{} |= "valve"', {"message": "Valve"}, False),
        ('{} |= "valve"', {"message": "x", "valve": 1}, False),
        ('{} |= "two\\nlines"', {"message": ["two", "lines"]}, True),
        ('{} |= "é"', b'{"message":"caf\\u00e9"}', True),
        ('{} |= "k"', b'{"message":"\\u006b"}', True),
        ('{} |= `{"a":1}`', b'{"message": {"a" : 1}}', True),
        ('{} |= "5"', {"message": 5}, True),
        ('{} |= `"temp": 3`', {"temp": 3}, True),
        ('{} |~ `"temp":\\s*3`', {"temp": 3}, True),
        ('{} |~ "^b$"', {"message": "a\nb"}, True),
        ('{} |~ "T..t"', {"msg": "Test"}, True),
        ('{} !~ "T..t"', {"msg": "Test"}, False),
        ('{} != ""', {"message": "x"}, False),
        ('{level="err"}', {"severity": 3}, True),
        ('{level=~"e.*"}', {"level": "error"}, True),
        ('{level!~"warn|err.*"}', {"level": "error"}, False),
        ('{level=""}', {"message": "x"}, True),
        ('{detected_level="info"}', {"level": "INFO"}, True),
        ('{source="10.0.0.5"}', {"message": "x"}, True),
        ('{source=~"p.*1"}', {"device": "pump-1"}, True),
        ('{source="7.0"}', {"device": 7.0}, True),
        ('{host="pi"}', {"host": "pi"}, True),
        ('{k8s_pod_name="a-1"}', {"labels": {"k8s.pod.name": "a-1"}}, True),
        ('{pid="12"}', {"labels": {"pid": 12}}, True),
        ('{ok="true"}', {"labels": {"ok": True}}, True),
        ('{a="x"}', {"labels": ["a", "x"]}, False),
        ('{a=~".*"}', {"message": "no such label"}, True),
        ('{a=~".+"}', {"message": "no such label"}, False),
        ('{a!~"x"}', {"message": "no such label"}, True),
        ('{} | a_b_c = "x"', {"a": {"b": {"c": "x"}}}, True),
        ("{} | n == 7", {"attributes": {"n": 7.0}}, True),
        ("{} | n != 7", {"message": "no such field"}, False),
        ("{} | n >= 1KB", {"n": "2KB"}, True),
        ("{} | n < 1m30s", {"n": "89s"}, True),
        ('{} | n =~ "[0-9]+" or listener="udp"', {"n": 12}, True),
        ('{} | logfmt | a="b \\"c\\""', {"message": 'x a="b \\"c\\"" d='}, True),
        ('{} | logfmt | a="b"', {"message": "aa=b a=c"}, False),
        ('{} | json | deep = "1"', {"message": '{"deep":1}'}, True),
        ('{} | deep = "1"', {"message": '{"deep":1}'}, False),
        ('{listener="http",listener="udp"}', {"message": "x"}, False),
    ],
)
def test_an_entry_is_selected(query: str, entry: Any, expected: bool) -> None:
    assert selects(query, entry) is expected

"""What a text finds: what stands in the entry's JSON, and fields as people write them."""

import pytest

from logboom.query.text_search import SearchText

FOUND = [
    ('"temp":19.75', '{"id":"e46","temp":19.75}'),
    ('"temp": 19.75', '{"temp":19.75}'),
    ('"temp":19.75', '{"temp": 19.75}'),
    ('"temp"', '{"temp":1}'),
    ('temp":19.75', '{"temp":19.75}'),
    ('say "x"', r'{"m":"say \"x\""}'),
    (r"say \"x\"", r'{"m":"say \"x\""}'),
    (r"caf\u00e9", r'{"m":"caf\u00E9"}'),
    ("temp=19.75", '{"temp":19.75}'),
    ("temp=19.75", '{"temp": "19.750" }'),
    ("TEMP=24.10", '{"temp":24.1}'),
    ("temp=24.1", '{"temp":24.10,"rh":1}'),
    ("temp=50", '{"temp":50.0}'),
    (" temp=19.75  rh=43.27 ", '{"rh":43.27,"temp":19.75}'),
    ("temp=19.75", '{"msg":"temp=19.75 is high"}'),
    ("bar=3.5", '{"detail":{"bar":3.5}}'),
    ("detail.bar=3.5", '{"detail.bar":3.5}'),
    ("detail.bar=3.5", '{"detail":{"a":{"b":{"c":"}"}},"d":[{"bar":1}],"bar":3.5}}'),
    ("a.b.c=1", '{"a":{"b":{"c":1}}}'),
    ("level=INFO", '{"level":"info"}'),
    ('level="Info"', '{"level":"info"}'),
    ('msg="pump 2" on=true', '{"on":true,"msg":"Pump 2"}'),
    ("path=/tmp/x", r'{"path":"\/tmp\/x"}'),
    ("name=Jürgen", r'{"name":"J\u00fcrgen"}'),
    ('detail={"bar":3.5}', '{"detail":{"bar": 3.5}}'),
    ("n=null", '{"n":null}'),
]
NOT_FOUND = [
    ('"temp":19.75', r'{"m":"temp:19.75"}'),
    ("temp=19.7", '{"temp":19.75}'),
    ("temp=9.75", '{"temp":19.75}'),
    ("temp=50", '{"temp":500}'),
    ("temp=19.75", '{"mytemp":19.75}'),
    ("temp=19.75", r'{"m":"\"temp\":19.75,"}'),
    ("temp=19.75 rh=43", '{"temp":19.75,"rh":44}'),
    ("pump temp=19.75", '{"m":"pump","temp":19.75}'),
    ("level=inf", '{"level":"info"}'),
    ('n="7"', '{"n":7}'),
    ("detail.bar=3.5", '{"bar":3.5,"detail":{"x":1}}'),
    ("detail.bar=3.5", '{"detail":{"x":{"bar":3.5}}}'),
]


@pytest.mark.parametrize(("text", "entry"), FOUND)
def test_what_stands_there_is_found(text: str, entry: str) -> None:
    wanted = SearchText(text)
    assert wanted.stands_in(entry.encode())
    assert all(needle in entry.lower().encode() for needle in wanted.needles)


@pytest.mark.parametrize(("text", "entry"), NOT_FOUND)
def test_what_does_not_stand_there_is_not_found(text: str, entry: str) -> None:
    assert not SearchText(text).stands_in(entry.encode())


@pytest.mark.parametrize(
    "text", ['a="b" ' * 42 + "c", "a=" * 127, " " * 255 + "=", 'a="' * 80, '":' * 128, "a.b=1"]
)
def test_no_text_and_no_entry_make_the_search_slow(text: str) -> None:
    """Each of them would take years if patterns went back and forth."""
    for entry in (b'{"a":"' + b'a\\":   ' * 10_000 + b'"}', b'{"a":' * 5000 + b"1" + b"}" * 5000):
        assert not SearchText(text).stands_in(entry)

from bench.line import line
from bench.verify import Delivery, verify

BEFORE, AFTER = b'"entry":', b',"source":"127.0.0.1","listener":"device"}'


def stored(index: int) -> bytes:
    entry = line(index).removesuffix(b"\n")
    return b'{"received_at":"2025-11-12T19:08:58.838190+00:00",' + BEFORE + entry + AFTER + b"\n"


def check(found: list[bytes], *expected: tuple[int, int]) -> Delivery:
    return verify(found, list(expected), BEFORE, AFTER)


def test_everything_once_is_complete() -> None:
    delivery = check([stored(0), stored(2), stored(1), stored(3)], (0, 2), (2, 2))
    assert (delivery.delivered, delivery.reordered, delivery.problem()) == (4, 0, None)


def test_raw_lines_need_no_frame() -> None:
    assert verify([line(0), line(1)], [(0, 2)], b"", b"").complete


def test_a_lost_line_is_told() -> None:
    delivery = check([stored(0)], (0, 3))
    assert (delivery.lost, delivery.complete) == (2, False)
    assert "lost 2 of 3" in (delivery.problem() or "")


def test_a_doubled_line_is_told() -> None:
    delivery = check([stored(0), stored(0)], (0, 1))
    assert (delivery.delivered, delivery.duplicated, delivery.complete) == (1, 1, False)


def test_damage_is_told_with_an_example() -> None:
    torn = stored(1)[:-20] + b"\n"
    delivery = check([stored(0), torn], (0, 2))
    assert (delivery.delivered, delivery.damaged) == (1, 1)
    assert torn.decode().rstrip() in delivery.examples[0]


def test_a_changed_byte_is_damage() -> None:
    delivery = check([stored(0).replace(b"WiFi", b"WIFI")], (0, 1))
    assert (delivery.delivered, delivery.damaged) == (0, 1)


def test_lines_never_sent_are_damage() -> None:
    assert check([stored(0), stored(5)], (0, 2)).damaged == 1


def test_order_is_checked_within_a_connection() -> None:
    assert check([stored(1), stored(0), stored(2), stored(3)], (0, 2), (2, 2)).reordered == 1

"""Who may connect."""

import pytest

from logboom.pipeline.door import Door, Refused


@pytest.mark.parametrize(
    ("allow", "deny", "address", "welcome"),
    [
        ([], [], "203.0.113.9", True),
        (["192.168.0.0/16"], [], "192.168.7.1", True),
        (["192.168.0.0/16"], [], "10.0.0.1", False),
        ([], ["10.0.0.0/8"], "10.1.2.3", False),
        (["10.0.0.0/8"], ["10.1.0.0/16"], "10.1.2.3", False),
        (["10.0.0.0/8"], ["10.1.0.0/16"], "10.2.2.3", True),
        (["10.1.2.3"], [], "10.1.2.3", True),
        (["10.1.2.3/8"], [], "10.9.9.9", True),
        (["fd00::/8"], [], "fd12::1", True),
        (["fd00::/8"], [], "2001:db8::1", False),
        (["192.168.0.0/16"], [], "::ffff:192.168.7.1", True),
        ([], ["192.168.0.0/16"], "::ffff:192.168.7.1", False),
        (["192.168.0.0/16"], [], "unknown", False),
        ([], [], "unknown", True),
    ],
)
def test_networks(allow: list[str], deny: list[str], address: str, welcome: bool) -> None:
    assert (Door(allow, deny, 10).enter(address) is None) is welcome


def test_no_address_takes_every_place_and_leaving_makes_room() -> None:
    door = Door([], [], 2)
    assert [door.enter("a"), door.enter("a"), door.enter("a")] == [None, None, Refused.ADDRESS]
    assert door.enter("b") is None
    door.leave("a")
    assert door.enter("a") is None
    for address in ("a", "a", "b"):
        door.leave(address)
    assert not door.open_now  # nothing is kept of who has gone


def test_the_room_of_an_address_is_what_its_connections_leave() -> None:
    door = Door([], [], 3)
    assert door.room_of("a") == 3
    door.enter("a")
    door.enter("b")
    door.enter("a")
    assert door.room_of("a") == 1
    assert door.room_of("b") == 2
    door.enter("a")
    assert door.room_of("a") == 0
    for room in (1, 2, 3):
        door.leave("a")
        assert door.room_of("a") == room

"""Bytes that real clients sent, one file per connection or datagram; `tests/captures/INDEX.tsv` lists the clients."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "captures"
_DATAGRAM: Final = re.compile(r"(.+)\.d(\d+)")


def capture(name: str) -> bytes:
    """Return the bytes of one file, such as `relp/rsyslog-omrelp`."""
    return (FOLDER / f"{name}.bin").read_bytes()


def streams(folder: str, pattern: str = "*") -> dict[str, bytes]:
    """Return what each connection sent, by the name of its file."""
    found = sorted((FOLDER / folder).glob(f"{pattern}.bin"))
    return {one.stem: one.read_bytes() for one in found if not _DATAGRAM.fullmatch(one.stem)}


def datagrams(folder: str, pattern: str = "*") -> dict[str, list[bytes]]:
    """Return the datagrams of each client, in order, by the name of the client."""
    found: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
    for one in (FOLDER / folder).glob(f"{pattern}.bin"):
        if datagram := _DATAGRAM.fullmatch(one.stem):
            found[datagram[1]][int(datagram[2])] = one.read_bytes()
    return {name: [numbered[number] for number in sorted(numbered)] for name, numbered in found.items()}

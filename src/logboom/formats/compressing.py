"""Compression of a stream, piece by piece."""

import sys
import zlib
from typing import Final, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_LEVEL: Final = 4
"""Two thirds of the time of the usual level 6, at a few percent of the size."""
ZSTD_LEVEL: Final = 3
"""The usual one: faster than gzip at any level, and smaller."""
_GZIP: Final = 31
"""The parameter of zlib that means gzip with the largest window."""

ENDINGS: Final = {"gzip": ".gz", "zstd": ".zst"}
"""Ending of a file's name by kind."""
MEDIA_TYPES: Final = {"gzip": "application/gzip", "zstd": "application/zstd"}


class Compressor(Protocol):
    """Compressor of one stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Take bytes, and return those that are ready; often none."""

    def flush(self) -> bytes:
        """Return the rest, and end the stream."""


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def compressor(kind: str) -> Compressor:
    """Make a compressor.

    Args:
        kind: `gzip`, `zstd`, or empty for none.
    """
    if kind == "gzip":
        return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return zstd.ZstdCompressor(ZSTD_LEVEL) if kind == "zstd" else _Plain()


def kind_of_name(name: str) -> str:
    """Return the kind of compression that the ending of a file's name means; empty for none."""
    return next((kind for kind, ending in ENDINGS.items() if name.lower().endswith(ending)), "")


def accepted_kind(header: str) -> str:
    """Return the kind that a client accepts by its header Accept-Encoding, zstd before gzip; empty for none."""
    refused = ("0", "0.0", "0.00", "0.000")
    offered = set()
    for part in header.lower().split(","):
        name, _, quality = part.partition(";")
        if quality.replace(" ", "").removeprefix("q=") not in refused:
            offered.add(name.strip())
    return next((kind for kind in ("zstd", "gzip") if kind in offered), "")

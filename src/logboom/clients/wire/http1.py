"""One HTTP/1.1 exchange over asyncio's streams: what posting batches needs, without an HTTP library's import time."""

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

HEAD_BYTES_MAX: Final = 16 << 10
"""The longest head of an answer; asyncio's own limit for one line is four times that."""
BODY_BYTES_MAX: Final = 1 << 20
"""The longest body of an answer: a verdict for each of a thousand entries has a tenth of it."""


class HttpAnswer(NamedTuple):
    """An answer of a server."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def goes_on(self) -> bool:
        """True: the connection takes a further request."""
        return self.headers.get("connection", "keep-alive").lower() != "close"

    @property
    def retry_after_s(self) -> float:
        """The header Retry-After, seconds; 0: there is none, or it is a date."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdecimal() else 0.0


def post(path: str, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A POST request as it goes over the wire.

    Args:
        path: of the resource, encoded.
        host: name and port of the server.
        headers: further ones.
        body: the content.
    """
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def read_answer(reader: asyncio.StreamReader) -> HttpAnswer:
    """Read one answer. Raises OSError: the connection ended, or it is no HTTP."""
    try:
        while True:
            status, headers = await _read_head(reader)
            if status >= 200:  # else one that only announces it
                break
        return HttpAnswer(status, headers, await _read_body(reader, status, headers))
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("the server closed the connection") from None
    except ValueError:  # also asyncio's for a line without end
        raise ConnectionAbortedError("the answer is not HTTP") from None


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first = (await _read_line(reader)).split(" ", 2)
    if not first[0].startswith("HTTP/1.") or len(first) < 2:
        raise ValueError(first)
    headers: dict[str, str] = {} if first[0] != "HTTP/1.0" else {"connection": "close"}
    size = 0
    while line := await _read_line(reader):
        size += len(line)
        name, colon, value = line.partition(":")
        if not colon or size > HEAD_BYTES_MAX:
            raise ValueError(line)
        headers[name.strip().lower()] = value.strip()
    return int(first[1]), headers


async def _read_line(reader: asyncio.StreamReader) -> str:
    line = await reader.readuntil(b"\n")
    return line.decode("latin-1").rstrip("\r\n")


async def _read_body(reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> bytes:
    if status in {204, 304}:
        return b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _read_chunks(reader)
    if "content-length" in headers:
        return await reader.readexactly(_checked(int(headers["content-length"])))
    headers["connection"] = "close"
    return await _read_to_end(reader)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await _read_line(reader)).partition(";")[0], 16):
        _checked(len(body) + size)
        body += await reader.readexactly(size)
        await _read_line(reader)
    while await _read_line(reader):  # trailers
        pass
    return bytes(body)


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while data := await reader.read(BODY_BYTES_MAX):
        body += data
        _checked(len(body))
    return bytes(body)


def _checked(size: int) -> int:
    if not 0 <= size <= BODY_BYTES_MAX:
        raise ConnectionAbortedError(f"an answer of more than {BODY_BYTES_MAX} bytes")
    return size

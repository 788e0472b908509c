"""Reading many datagrams with one system call: `recvmmsg`, through ctypes, as the socket module does not have it."""

import ctypes
import errno
import mmap
import os
import socket
import sys
from typing import Final, NamedTuple

DATAGRAMS_MAX: Final = 256
"""Datagrams per system call."""
DATAGRAM_BYTES_MAX: Final = 65536
"""More than the largest datagram of UDP; what is not used of it takes no memory."""

_NAME_BYTES: Final = 28
"""Size of an IPv6 socket address, the larger one."""
_SO_MEMINFO: Final = 55
_MEMINFO_DROPS: Final = 8
_MEMINFO_BYTES: Final = 9 * 4
"""From Linux's headers asm-generic/socket.h and linux/sock_diag.h; the socket module does not have them."""
_SO_RCVBUFFORCE: Final = 33


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Iovec)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("received", ctypes.c_uint32))


class Datagrams(NamedTuple):
    """Result of one read."""

    data: list[bytes]
    addresses: list[bytes]
    """The socket addresses of the senders as the kernel gives them: keys, and for `address_of`. One per datagram, or a
    single one where all have the same."""


class DatagramReader:
    """Reads from one bound socket without waiting.

    Args:
        bound: a UDP socket.
    """

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._pages = mmap.mmap(
            -1, DATAGRAMS_MAX * DATAGRAM_BYTES_MAX
        )  # pages take memory once they are used
        self._names = bytearray(DATAGRAMS_MAX * _NAME_BYTES)
        data = ctypes.addressof(ctypes.c_char.from_buffer(self._pages))
        names = ctypes.addressof(ctypes.c_char.from_buffer(self._names))
        self._vectors = (_Iovec * DATAGRAMS_MAX)()
        self._messages = (_Message * DATAGRAMS_MAX)()
        for index, (vector, message) in enumerate(zip(self._vectors, self._messages, strict=True)):
            header = message.header
            vector.base = data + index * DATAGRAM_BYTES_MAX
            vector.length = DATAGRAM_BYTES_MAX
            header.name = names + index * _NAME_BYTES
            header.name_length = _NAME_BYTES
            header.vectors = ctypes.pointer(vector)
            header.vector_count = 1
        sizes = memoryview(self._messages).cast("B").cast("I")
        self._sizes = sizes[_Message.received.offset // 4 :: ctypes.sizeof(_Message) // 4]
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg

    def read(self) -> Datagrams:
        """Return what has come, up to `DATAGRAMS_MAX`; without a datagram: no more. Raises OSError."""
        count = self._call(self._socket.fileno(), self._messages, DATAGRAMS_MAX, socket.MSG_DONTWAIT, None)
        if count <= 0:
            number = ctypes.get_errno()
            if count == 0 or number in {errno.EAGAIN, errno.EINTR}:
                return Datagrams([], [])
            raise OSError(number, os.strerror(number))
        pages, names = self._pages, bytes(memoryview(self._names)[: count * _NAME_BYTES])
        starts = range(0, count * DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX)
        sizes = self._sizes[:count].tolist()
        data = [pages[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        first = names[:_NAME_BYTES]
        if names == first * count:
            return Datagrams(data, [first])
        return Datagrams(data, [names[at : at + _NAME_BYTES] for at in range(0, len(names), _NAME_BYTES)])


def address_of(name: bytes) -> str:
    """Return the IP address of a socket address as the kernel gives it."""
    if int.from_bytes(name[:2], sys.byteorder) == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, name[4:8])
    address = name[8:24]
    return socket.inet_ntop(socket.AF_INET6, address)


def dropped(bound: socket.socket) -> int:
    """Return the number of datagrams that the kernel dropped since the socket's start, as its buffer was full."""
    try:
        data = bound.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_BYTES)
    except OSError:  # before Linux 4.12
        return 0
    start = 4 * _MEMINFO_DROPS
    return int.from_bytes(data[start : start + 4], sys.byteorder)


def enlarge_buffer(bound: socket.socket, size_bytes: int) -> int:
    """Ask for a receive buffer of at least this size; returns the size that the kernel grants, bytes."""
    if _buffer_bytes(bound) < size_bytes:  # that of a socket unit may be larger than a plain user gets
        try:
            bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size_bytes)  # for the privileged only
        except OSError:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
    return _buffer_bytes(bound)


def _buffer_bytes(bound: socket.socket) -> int:
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles it for its own use

"""The heap of the C library is one for all threads."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from logboom.ops.heap import share_heap
libc = ctypes.CDLL(None)
if not hasattr(libc, "malloc_info"):
    sys.exit("no glibc")
if "shared" in sys.argv:
    share_heap()
gate = threading.Barrier(5)
def use():
    kept = [bytes(1000) for _ in range(100)]
    gate.wait()
threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
gate.wait()
for thread in threads:
    thread.join()
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def heaps(*words: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False
    )
    if done.stderr == "no glibc\n":
        pytest.skip("the C library is not glibc")
    assert done.returncode == 0, done.stderr
    return done.stdout.count("<heap nr=")


def test_threads_share_one_heap() -> None:
    assert heaps("shared") == 1
    assert heaps() > 1

"""Whatever a peer sends: no exception, no crash of the process, and any cut of it gives the same."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.receivers.capnp.protocol import CapnpProtocol
from logboom.testing.protocol_kit import check_protocol

FUZZER = Path(__file__).with_name("fuzz_capnp.py")
CASES = 20_000

PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=20).map(lambda tail: b"\x10\x12P\x01\x0f" + tail),
    st.binary(max_size=20).map(lambda tail: bytes(4) + tail),
    st.sampled_from([b"", b"\x10\x01\0\0", b"\x80\x02}q\0", b"}q\0", b"\x11\1\1\0\0"]),
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_messages_never_end_the_process(seed: int) -> None:
    command = [sys.executable, str(FUZZER), str(seed), str(CASES)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr[-2000:]


@settings(max_examples=40)
@given(st.lists(PAYLOADS, max_size=6), st.binary(max_size=6), st.integers(0, 1 << 30))
def test_any_frames_give_the_same_however_they_are_cut(payloads: list[bytes], tail: bytes, seed: int) -> None:
    data = b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads) + tail
    outcome = check_protocol(lambda: CapnpProtocol(frame_bytes_max=1024), data, seed=seed, rounds=2)
    assert outcome.replies == b""


@settings(max_examples=40)
@given(st.binary(max_size=200), st.integers(0, 1 << 30))
def test_any_bytes_give_the_same_however_they_are_cut(data: bytes, seed: int) -> None:
    check_protocol(lambda: CapnpProtocol(frame_bytes_max=1024), data, seed=seed, rounds=2)

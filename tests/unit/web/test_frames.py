import pytest
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol  # noqa: F401 - the library that reads what we write
from websockets.streams import StreamReader

from logboom.web.frames import text_frame, text_frames


def read_back(data: bytes) -> list[bytes]:
    stream = StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    frames = []
    while True:
        parsing = Frame.parse(stream.read_exact, mask=False)
        try:
            next(parsing)
        except StopIteration as result:
            frame = result.value
            assert (frame.opcode, frame.fin, frame.rsv1) == (Opcode.TEXT, True, False)
            frames.append(bytes(frame.data))
        except EOFError:
            return frames


@pytest.mark.parametrize("size", [0, 1, 37, 125, 126, 127, 65_535, 65_536, 1 << 20])
def test_frames_of_every_length_are_read_back(size: int) -> None:
    payload = b"%" * size
    assert read_back(text_frame(payload)) == [payload]
    assert read_back(text_frames([payload, b"x", payload])) == [payload, b"x", payload]


def test_no_payloads_are_no_frames() -> None:
    assert text_frames([]) == b""

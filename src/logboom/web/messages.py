"""The messages of the WebSocket on `/`, and the replies to them. Pure. Contract: docs/contracts/websocket.md."""

import json
from typing import Final

import msgspec

from logboom.formats import ndjson
from logboom.model import REASONS_MAX, Batch, Receipt, Verdict
from logboom.web.frames import text_frame, text_head


class _Message(msgspec.Struct, gc=False):
    """Required fields of a message. The rest is stored as sent: nothing is lost over a sender's spelling."""

    message: str | list[str]
    level: object = None


_DECODER: Final = ndjson.entry_decoder(_Message)

ERRORS: Final = {
    Verdict.NOT_JSON: "invalid JSON",
    Verdict.NOT_OBJECT: "expected JSON object",
    Verdict.MISSING_FIELD: "expected a field `message`: a string or a list of strings",
    Verdict.TOO_LONG: "message too long",
    Verdict.LIMITED: "rate limit exceeded",
    Verdict.FAILED: "storage unavailable",
}
"""Answers to messages that were not stored, by verdict."""


def judge(messages: list[bytes], bytes_max: int, *, wants_levels: bool = False) -> Batch:
    """Return one batch of all messages: one verdict per message, in order.

    Args:
        messages: as received.
        bytes_max: the longest message.
        wants_levels: whether the batch carries levels, for a listener that filters by them.
    """
    chunk = b"\n".join(messages)
    if chunk.count(b"\n") == len(messages) - 1 and max(map(len, messages)) <= bytes_max:
        batch = ndjson.judge_all(chunk, _DECODER, wants_levels=wants_levels)
        if batch is not None:
            return batch
    return _judge_each(messages, bytes_max, wants_levels=wants_levels)


def _judge_each(messages: list[bytes], bytes_max: int, *, wants_levels: bool) -> Batch:
    good: list[bytes] = []
    verdicts = bytearray()
    levels: list[object] = []
    reasons: list[str] = []
    for message in map(ndjson.repaired, messages):
        verdict, detail = _judge_one(message, bytes_max)
        verdicts.append(verdict)
        if isinstance(detail, _Message):
            good.append(one_line(message))
            levels.append(detail.level)
        elif len(reasons) < REASONS_MAX:
            reasons.append(str(detail))
    return Batch(
        b"\n".join(good),
        bytes(verdicts),
        size_bytes=sum(map(len, messages)) + len(messages),
        levels=levels if wants_levels else None,
        reasons=tuple(reasons),
    )


def _judge_one(message: bytes, bytes_max: int) -> tuple[Verdict, object]:
    if len(message) > bytes_max:
        return Verdict.TOO_LONG, f"message of {len(message)} bytes, the limit is {bytes_max}"
    return ndjson.judge_line(message, _DECODER)


def one_line(document: bytes) -> bytes:
    """A JSON document without line ends: outside of strings they are white space, inside they can't stand."""
    if b"\n" in document or b"\r" in document:
        return document.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return document


def replies(receipt: Receipt, first_id: int, moment: str) -> bytes:
    """Make the frames that answer a batch.

    Args:
        receipt: of the batch.
        first_id: `message_id` of the first message that was taken; the others follow.
        moment: ISO 8601, as `timestamp`.
    """
    verdicts = receipt.verdicts
    good = b'{"timestamp":"%b","status":"received","message_id":%%d}' % moment.encode()
    taken = verdicts.count(Verdict.ACCEPTED)
    if taken == len(verdicts):
        return _received(good, first_id, taken)
    frames = []
    for verdict in verdicts:
        if verdict == Verdict.ACCEPTED:
            frames.append(text_frame(good % first_id))
            first_id += 1
        else:
            frames.append(text_frame(_other(Verdict(verdict), moment, receipt.retry_after_s)))
    return b"".join(frames)


def refusal(reason: str, moment: str) -> bytes:
    """The frame that answers a message which is not even looked at."""
    return text_frame(json.dumps({"timestamp": moment, "status": "error", "message": reason}).encode())


def _received(good: bytes, first_id: int, count: int) -> bytes:
    """Replies to a batch of good messages: all of a length, so with one header, unless a digit is added."""
    size = len(good % first_id)
    if size != len(good % (first_id + count - 1)):
        return b"".join([text_frame(good % number) for number in range(first_id, first_id + count)])
    template = text_head(size).replace(b"%", b"%%") + good
    return b"".join([template % number for number in range(first_id, first_id + count)])


def _other(verdict: Verdict, moment: str, retry_after_s: float) -> bytes:
    if verdict is Verdict.FILTERED:
        return json.dumps({"timestamp": moment, "status": "filtered"}).encode()
    if verdict is Verdict.DUPLICATE:
        # stored before: its number of then is not known here
        return json.dumps({"timestamp": moment, "status": "received", "message_id": 0}).encode()
    reply: dict[str, object] = {"timestamp": moment, "status": "error", "message": ERRORS[verdict]}
    if verdict is Verdict.LIMITED:
        reply["retry_after_s"] = max(1, -int(-retry_after_s // 1))
    return json.dumps(reply).encode()

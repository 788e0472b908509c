"""Codec of Elasticsearch's bulk API: one action line per document, one item per action in the answer."""

from collections.abc import Sequence
from secrets import token_hex
from typing import Any, Final

import msgspec

from logboom.formats.json_fields import DAMAGE, entries_of, utf8
from logboom.formats.mapped import MappedEntry, batch_of
from logboom.model import REASONS_MAX, Batch, Receipt, Verdict
from logboom.receivers.http_push import BodyError, HttpReply, HttpRequest, WholeBody

PRODUCT: Final = {"X-Elastic-Product": "Elasticsearch"}
"""Header without which the official clients refuse the server."""
ACTIONS: Final = ("create", "index", "update", "delete")
ID_BYTES_MAX: Final = 512
"""Longest `_id`, as in Elasticsearch."""

_actions: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode: Final = msgspec.json.encode
_WITH_DOCUMENT: Final = frozenset({"create", "index"})


class _Target(msgspec.Struct, gc=False):
    index: str = msgspec.field(default="", name="_index")
    id: str | int | None = msgspec.field(default=None, name="_id")


_target: Final = msgspec.json.Decoder(_Target).decode


class _Action(msgspec.Struct, gc=False, frozen=True):
    name: str
    index: str
    raw_index: msgspec.Raw
    id: str = ""
    reason: str = ""


class BulkCodec(WholeBody):
    """Codec of one bulk request. It is stored as a whole, or refused as a whole."""

    def __init__(self, request: HttpRequest, body_bytes_max: int) -> None:
        super().__init__(request, body_bytes_max)
        self._index = request.match.get("index", "")
        self._actions: list[_Action] = []

    def decode(self, body: bytes) -> Batch | None:
        """See `WholeBody`. Raises `BodyError` for a line that is no action: the lines behind it have no meaning."""
        documents = self._read(utf8(body))
        entries: list[MappedEntry] = []
        keys: list[bytes] = []
        verdicts = bytearray()
        for number, (action, entry) in enumerate(zip(self._actions, entries_of(documents), strict=True)):
            if entry is None or action.reason:
                reason = action.reason or _reason_of(documents[number])
                self._actions[number] = msgspec.structs.replace(action, reason=reason)
                verdicts.append(Verdict.NOT_OBJECT)
                continue
            verdicts.append(Verdict.ACCEPTED)
            entry.source = entry.source or action.index
            if action.index:
                entry.attributes["_index"] = action.raw_index
            entries.append(entry)
            keys.append(_encode(f"bulk:{action.index}:{action.id}") if action.id else b"")
        if not verdicts:
            return None
        reasons = [action.reason for action in self._actions if action.reason][:REASONS_MAX]
        levels: list[object] = [entry.level for entry in entries]
        batch = batch_of(entries, len(body), verdicts=bytes(verdicts), levels=levels, reasons=tuple(reasons))
        if any(keys):
            nonce = token_hex(8)  # documents without an _id are new each time
            batch.keys = [
                key or b'"bulk::%b:%d"' % (nonce.encode(), number) for number, key in enumerate(keys)
            ]
        return batch

    def _read(self, body: bytes) -> list[bytes]:
        """Note the actions; returns the document of each, a stand-in where there is none. Raises `BodyError`."""
        documents: list[bytes] = []
        known: dict[bytes, _Action] = {}
        lines = iter(body.split(b"\n"))
        for line in lines:
            action = known.get(line)
            if action is None:
                if not line or line.isspace():
                    continue
                action = self._action(line)
                if not action.id:
                    known[line] = action
            self._actions.append(action)
            documents.append(next(lines, b"") or b"null" if action.name != "delete" else b"null")
        return documents

    def _action(self, line: bytes) -> _Action:
        try:
            found = _actions(line)
        except DAMAGE:
            raise BodyError(400, f"Malformed action/metadata line: {_shown(line)}") from None
        name = next((name for name in ACTIONS if name in found), "")
        if not name:
            raise BodyError(400, f"Malformed action/metadata line: {_shown(line)}")
        if name not in _WITH_DOCUMENT:
            return _made(name, self._index, reason=f"{name} is not supported: entries are only added")
        try:
            target = _target(found[name])
        except DAMAGE:
            return _made(name, self._index, reason="the action's metadata cannot be read")
        identity = "" if target.id is None else str(target.id)
        reason = "_id is longer than 512 bytes" if len(identity.encode()) > ID_BYTES_MAX else ""
        return _made(name, target.index or self._index, "" if reason else identity, reason)

    def answer(self, receipt: Receipt | None) -> HttpReply:
        """See `WholeBody`."""
        if receipt is None:
            return self.refuse(BodyError(400, "request body is required"))
        items = [
            _item(action, Verdict(verdict), number)
            for number, (action, verdict) in enumerate(zip(self._actions, receipt.verdicts, strict=True))
        ]
        errors = any(next(iter(item.values()))["status"] >= 300 for item in items)
        body = _encode({"took": 1, "errors": errors, "items": items})
        return HttpReply(200, body, answer_type(self.request), PRODUCT)

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`. In plain text where it is worth another try: no client takes that for an answer."""
        if error.status in {429, 503}:
            return HttpReply(error.status, str(error).encode(), "text/plain", PRODUCT)
        return error_reply(self.request, error.status, "illegal_argument_exception", str(error))


def _made(name: str, index: str, identity: str = "", reason: str = "") -> _Action:
    return _Action(name, index, msgspec.Raw(_encode(index)), identity, reason)


def _reason_of(document: bytes) -> str:
    return (
        "the document is missing"
        if document == b"null"
        else f"the document is no JSON object: {_shown(document)}"
    )


def _shown(line: bytes) -> str:
    return line[:100].decode(errors="replace")


def _item(action: _Action, verdict: Verdict, number: int) -> dict[str, dict[str, Any]]:
    item: dict[str, Any] = {"_index": action.index, "_id": action.id or str(number)}
    if verdict in {Verdict.ACCEPTED, Verdict.FILTERED} or (
        verdict == Verdict.DUPLICATE and action.name == "index"
    ):
        shards = {"total": 1, "successful": 1, "failed": 0}
        item |= {"_version": 1, "result": "created", "_shards": shards, "_seq_no": number, "_primary_term": 1}
        item["status"] = 201
    elif verdict == Verdict.DUPLICATE:
        reason = f"[{action.id}]: version conflict, document already exists"
        item |= {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": reason}}
    else:
        reason = action.reason or "the entry is too long"
        item |= {"status": 400, "error": {"type": "document_parsing_exception", "reason": reason}}
    return {action.name: item}


def answer_type(request: HttpRequest) -> str:
    """Return the content type that the client understands."""
    accepted = request.headers.get("Accept", "")
    return accepted.split(",")[0].strip() if "vnd.elasticsearch+json" in accepted else "application/json"


def error_reply(request: HttpRequest, status: int, kind: str, reason: str) -> HttpReply:
    """Return an error in the form of Elasticsearch."""
    cause = {"type": kind, "reason": reason}
    body = _encode({"error": {"root_cause": [cause], **cause}, "status": status})
    return HttpReply(status, body, answer_type(request), PRODUCT)


def json_reply(request: HttpRequest, document: Any) -> HttpReply:
    """Return an answer of the probes."""
    return HttpReply(200, _encode(document), answer_type(request), PRODUCT)


def known_paths(words: Sequence[str]) -> list[str]:
    """Return the paths that begin with these words."""
    return [f"/{word}/{{rest:.*}}" for word in words]

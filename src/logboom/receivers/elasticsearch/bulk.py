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
_MISSING: Final = b"null"
"""Stand-in for a document that is not there."""
KINDS_MAX: Final = 16
"""Different lines of actions up to which bodies are read in pairs: one per index that the client writes to."""
_WITH_DOCUMENT: Final = frozenset({"create", "index"})


class _Target(msgspec.Struct, gc=False):
    index: str = msgspec.field(default="", name="_index")
    id: str | int | None = msgspec.field(default=None, name="_id")


_AFTER_ID: Final = (
    b',"_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":'
)
_AFTER_NUMBER: Final = b',"_primary_term":1,"status":201}}'
"""Parts of the item of an action that is done."""

_target: Final = msgspec.json.Decoder(_Target).decode


class _Action(msgspec.Struct, gc=False, frozen=True):
    name: str
    index: str
    index_json: bytes
    index_raw: msgspec.Raw
    """The same, as a value of an entry."""
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
        if not documents:
            return None
        found = entries_of(documents)
        if None in found or any(action.reason for action in self._actions):
            self._note_reasons(documents, found)
        entries: list[MappedEntry] = []
        identified: list[tuple[int, _Action]] = []
        for action, entry in zip(self._actions, found, strict=True):
            if entry is None or action.reason:
                continue
            if action.index:
                entry.source = entry.source or action.index
                entry.attributes["_index"] = action.index_raw
            if action.id:
                identified.append((len(entries), action))
            entries.append(entry)
        reasons = [action.reason for action in self._actions if action.reason]
        verdicts = bytes([Verdict.NOT_OBJECT if action.reason else 0 for action in self._actions])
        levels: list[object] = [entry.level for entry in entries]
        batch = batch_of(
            entries, len(body), verdicts=verdicts, levels=levels, reasons=tuple(reasons[:REASONS_MAX])
        )
        if identified:
            nonce = token_hex(8).encode()  # documents without an _id are new each time
            batch.keys = [b'"bulk::%b:%d"' % (nonce, number) for number in range(len(entries))]
            for number, action in identified:
                batch.keys[number] = _encode(f"bulk:{action.index}:{action.id}")
        return batch

    def _note_reasons(self, documents: list[bytes], found: list[MappedEntry | None]) -> None:
        """Note why documents are refused."""
        for number, (action, entry) in enumerate(zip(self._actions, found, strict=True)):
            if entry is None and not action.reason:
                reason = _reason_of(documents[number])
                self._actions[number] = msgspec.structs.replace(action, reason=reason)

    def _read(self, body: bytes) -> list[bytes]:
        """Note the actions; returns the document of each, a stand-in where there is none. Raises `BodyError`."""
        lines = body.split(b"\n")
        if not lines[-1]:
            lines.pop()
        return self._read_pairs(lines) or self._read_each(lines)

    def _read_pairs(self, lines: list[bytes]) -> list[bytes]:
        """Read pairs of an action without `_id` and a document, as most bodies are; returns none for other bodies."""
        kinds = set(lines[::2])
        if len(lines) % 2 or len(kinds) > KINDS_MAX or any(not line or line.isspace() for line in kinds):
            return []
        try:
            known = {line: self._action(line) for line in kinds}
        except BodyError:  # documents stand among them, if the body is good
            return []
        if any(action.id or action.name not in _WITH_DOCUMENT for action in known.values()):
            return []
        self._actions = list(map(known.__getitem__, lines[::2]))
        return [line or _MISSING for line in lines[1::2]]

    def _read_each(self, lines: list[bytes]) -> list[bytes]:
        """Read lines one by one."""
        documents: list[bytes] = []
        known: dict[bytes, _Action] = {}
        rest = iter(lines)
        for line in rest:
            action = known.get(line)
            if action is None:
                if not line or line.isspace():
                    continue
                action = self._action(line)
                if not action.id:
                    known[line] = action
            self._actions.append(action)
            documents.append(next(rest, b"") or _MISSING if action.name != "delete" else _MISSING)
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
        body = (
            _created(self._actions)
            if receipt.verdicts.count(Verdict.ACCEPTED) == len(receipt.verdicts)
            else _answer(self._actions, receipt.verdicts)
        )
        return HttpReply(200, body, answer_type(self.request), PRODUCT)

    def refuse(self, error: BodyError) -> HttpReply:
        """See `HttpCodec`. In plain text where it is worth another try: no client takes that for an answer."""
        if error.status in {429, 503}:
            return HttpReply(error.status, str(error).encode(), "text/plain", PRODUCT)
        return error_reply(self.request, error.status, "illegal_argument_exception", str(error))


def _made(name: str, index: str, identity: str = "", reason: str = "") -> _Action:
    index_json = _encode(index)
    return _Action(name, index, index_json, msgspec.Raw(index_json), identity, reason)


def _reason_of(document: bytes) -> str:
    return (
        "the document is missing"
        if document == _MISSING
        else f"the document is no JSON object: {_shown(document)}"
    )


def _shown(line: bytes) -> str:
    return line[:100].decode(errors="replace")


def _created(actions: list[_Action]) -> bytes:
    """Return the answer to actions that are all done, as `_answer` does."""
    first = actions[0]
    if not first.id and actions.count(first) == len(actions):
        before, between, after = _head_of(first) + b'"', b'"' + _AFTER_ID, _AFTER_NUMBER
        items = [b"%b%d%b%d%b" % (before, number, between, number, after) for number in range(len(actions))]
    else:
        heads = {(one.name, one.index_json): _head_of(one) for one in actions}
        items = [
            heads[one.name, one.index_json]
            + (_encode(one.id) if one.id else b'"%d"' % number)
            + b"%b%d%b" % (_AFTER_ID, number, _AFTER_NUMBER)
            for number, one in enumerate(actions)
        ]
    return b'{"took":1,"errors":false,"items":[%b]}' % b",".join(items)


def _head_of(action: _Action) -> bytes:
    """Return the item of an action up to its `_id`."""
    return b'{"%b":{"_index":%b,"_id":' % (action.name.encode(), action.index_json)


def _answer(actions: Sequence[_Action], verdicts: bytes) -> bytes:
    """Return the answer to actions of which some are not done."""
    items = [
        _item(action, Verdict(verdict), number)
        for number, (action, verdict) in enumerate(zip(actions, verdicts, strict=True))
    ]
    errors = any(next(iter(item.values()))["status"] >= 300 for item in items)
    return _encode({"took": 1, "errors": errors, "items": items})


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

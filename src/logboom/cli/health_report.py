"""Reading and showing a health document, for `logboom health` and its quick form."""

import json
import sys

from logboom.formats.harmless import visible_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TIMEOUT_S = 5.0
"""A server that answers later than this is not well, whatever the answer is."""


def document_of(body: bytes) -> "dict[str, Any]":
    """The document of an answer, well or not; anything else is an error."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict) and "status" in document:
        return document
    return {"status": "error", "errors": [f"the answer is no health document: {body[:80]!r}"]}


def report(document: "dict[str, Any]", *, as_json: bool, strict: bool) -> int:
    """Print a document, or its summary. Returns the exit code: 0 well, or a warning that is not `strict`; else 1."""
    text = json.dumps(document, indent=2) if as_json else visible_lines(_summary(document))
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding))  # noqa: T201 - the command's answer
    status = document.get("status", "error")
    return int(status == "error" or (strict and status != "ok"))


def _summary(document: "dict[str, Any]") -> str:
    lines = [str(document.get("status", "error"))]
    for key in ("errors", "warnings"):
        found = document.get(key)
        lines += [f"- {text}" for text in found] if isinstance(found, list) else []
    return "\n".join(lines)

"""`journald`: entries of systemd-journal-upload. Contract: docs/contracts/journald.md."""

from collections.abc import Sequence
from typing import Final

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.http_push import HttpRequest, HttpRoute
from logboom.receivers.journald.journal_upload import UploadCodec
from logboom.settings import ListenerSettings

PATH: Final = "/upload"


class JournaldSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "journald"`."""


def _upload(request: HttpRequest, _settings: JournaldSettings) -> UploadCodec:
    return UploadCodec(request)


def _make(_settings: JournaldSettings) -> Sequence[HttpRoute]:
    return [HttpRoute("POST", PATH, _upload)]


RECEIVER: Final = ReceiverType(
    name="journald",
    summary="The systemd journal of other machines, sent by systemd-journal-upload",
    settings=JournaldSettings,
    transports={Transport.HTTP: Endpoint(19532, _make)},
    refusal=Refusal.ANSWER,
)

"""`elasticsearch`: the bulk API and the probes of its clients. Contract: docs/contracts/elasticsearch.md."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from logboom.receivers.base import Endpoint, ReceiverType, Refusal, Transport
from logboom.receivers.elasticsearch.bulk import BulkCodec, json_reply, known_paths
from logboom.receivers.http_push import HttpReply, HttpRequest, HttpRoute
from logboom.settings import BodyBytes, ListenerSettings

VERSION: Final = "8.17.0"
"""The version that is reported: clients of 7, 8 and 9 talk to it."""


class ElasticsearchSettings(ListenerSettings, kw_only=True, forbid_unknown_fields=True):
    """`[listeners.NAME]` with `protocol = "elasticsearch"`."""

    body_bytes_max: BodyBytes = 64 << 20


_ROOT: Final = {
    "name": "logboom",
    "cluster_name": "logboom",
    "cluster_uuid": "bG9nYm9vbS1jbHVzdGVyLQ",
    "version": {
        "number": VERSION,
        "build_flavor": "default",
        "build_type": "tar",
        "build_hash": "0",
        "build_date": "2024-12-11T00:00:00Z",
        "build_snapshot": False,
        "lucene_version": "9.12.0",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    },
    "tagline": "You Know, for Search",
}
_LICENSE: Final = {
    "license": {
        "uid": "logboom",
        "type": "basic",
        "status": "active",
        "expiry_date_in_millis": 4_000_000_000_000,
    }
}
_ANSWERS: Final[dict[str, Any]] = {
    "/": _ROOT,
    "/_license": _LICENSE,
    "/_xpack": {},
    "/_cluster/health": {
        "cluster_name": "logboom",
        "status": "green",
        "timed_out": False,
        "number_of_nodes": 1,
    },
}
_REFRESHED: Final = {"_shards": {"total": 1, "successful": 1, "failed": 0}}
"""Answer to a request to make documents visible, which they are; without it pino-elasticsearch reports a failure."""
_EMPTY: Final = ("_nodes", "_cat")
_ACCEPTED: Final = (
    *(
        "_index_template",
        "_template",
        "_component_template",
        "_ilm",
        "_ingest",
        "_data_stream",
        "_alias",
        "_logstash",
    ),
)
"""Set-up that clients do before they send: everything is there already, and nothing is kept."""


def _answer(document: Any, request: HttpRequest, _settings: ElasticsearchSettings) -> HttpReply:
    return json_reply(request, document)


def _bulk(request: HttpRequest, settings: ElasticsearchSettings) -> BulkCodec:
    return BulkCodec(request, settings.body_bytes_max)


def _make(_settings: ElasticsearchSettings) -> Sequence[HttpRoute]:
    routes = [
        HttpRoute(method, path, _bulk)
        for path in ("/_bulk", "/{index}/_bulk", "/{index}/{type}/_bulk")
        for method in ("POST", "PUT")
    ]
    for path, document in _ANSWERS.items():
        routes += [HttpRoute(method, path, partial(_answer, document)) for method in ("GET", "HEAD")]
    for path in ("/_refresh", "/{index}/_refresh"):
        routes += [HttpRoute(method, path, partial(_answer, _REFRESHED)) for method in ("GET", "POST")]
    for path in known_paths(_EMPTY):
        routes.append(HttpRoute("GET", path, partial(_answer, {})))
    acknowledged = partial(_answer, {"acknowledged": True})
    for path in known_paths(_ACCEPTED):
        routes += [HttpRoute(method, path, acknowledged) for method in ("GET", "HEAD", "PUT", "POST")]
    return routes


RECEIVER: Final = ReceiverType(
    name="elasticsearch",
    summary="Elasticsearch's bulk API, for its clients, Filebeat, Fluent Bit, Logstash, Vector",
    settings=ElasticsearchSettings,
    transports={Transport.HTTP: Endpoint(9200, _make)},
    refusal=Refusal.ANSWER,
)

"""The kind of a request, from its head.

    POST …/v1/{logs,traces,metrics}   protobuf, JSON, or one JSON envelope in each line
    POST /                            telemetry events, one in each line, as data-taps posts them
    GET  …/health                     no token needed

Only the end of a path is compared, because a custom domain may add any prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otlp2parquet_ext.functions.ingest.call import Format, IngestCall
from otlp2parquet_ext.functions.ingest.responses import HEALTHY, IngestResponse, refusal
from otlp2parquet_ext.records.otlp.encodings import ENCODINGS
from otlp2parquet_ext.records.otlp.exchange import JSON, PATHS, PROTOBUF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otlp2parquet_ext.functions.ingest.events import IngestRequest

HEALTH = "/health"
ROOT = "/"


LINES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-lines",
)
OTLP_TYPES: Mapping[str, Format] = {
    PROTOBUF: Format.PROTOBUF,
    "application/protobuf": Format.PROTOBUF,
    "application/octet-stream": Format.PROTOBUF,  # gateways set it for a missing type
    "": Format.PROTOBUF,
    JSON: Format.JSON,
    **dict.fromkeys(LINES, Format.JSON_LINES),
}
EVENT_TYPES: Mapping[str, Format] = dict.fromkeys(("", *LINES), Format.EVENTS)


def wants_json(request: IngestRequest) -> bool:
    """Return whether a refusal is in JSON: also without a Content-Type, as from a terminal."""
    media_type = _media_type(request)
    return not media_type or OTLP_TYPES.get(media_type) is not Format.PROTOBUF


def is_health(request: IngestRequest) -> bool:
    """Return whether the request is a health check."""
    return request.path.endswith(HEALTH)


def read_head(request: IngestRequest) -> IngestCall | IngestResponse:
    """Parse the head of a request; return a refusal if it is not valid."""
    json = wants_json(request)
    signal = next((s for path, s in PATHS.items() if request.path.endswith(path)), None)
    if is_health(request):
        return HEALTHY if request.method in ("GET", "HEAD") else _not_allowed(request, "GET", json)
    if signal is None and request.path != ROOT:
        known = ", ".join([*PATHS, ROOT, HEALTH])
        return refusal(404, f"{request.path!r}: expected one of {known}", json=json)
    if request.method != "POST":
        return _not_allowed(request, "POST", json)
    types = EVENT_TYPES if signal is None else OTLP_TYPES
    format_ = types.get(_media_type(request))
    if format_ is None:
        known = ", ".join(filter(None, types))
        problem = f"Content-Type {_media_type(request)!r}: expected one of {known}"
        return refusal(415, problem, json=json)
    encoding = request.headers.get("content-encoding", "").strip().lower() or "identity"
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        problem = f"Content-Encoding {encoding!r}: expected one of {known}"
        return refusal(415, problem, json=json, headers={"Accept-Encoding": known})
    return IngestCall(signal, format_, encoding)


def _not_allowed(request: IngestRequest, expected: str, json: bool) -> IngestResponse:  # noqa: FBT001 - see above
    problem = f"{request.method} {request.path}: expected {expected}"
    return refusal(405, problem, json=json, headers={"Allow": expected})


def _media_type(request: IngestRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()

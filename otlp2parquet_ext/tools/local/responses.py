"""Error answers of the three APIs, as Lambda words them: one small function each.

Source: reference of the emulator's error catalogue; all JSON bodies are
`{"errorMessage": …, "errorType": …}`.
"""

from __future__ import annotations

import json

from aiohttp import web

ACCEPTED = 202
BAD_REQUEST = 400
FORBIDDEN = 403
TOO_LARGE = 413
SERVER_ERROR = 500


def refusal(status: int, error_type: str, message: str) -> web.Response:
    """Return an error in the common format of the three APIs."""
    return web.json_response({"errorMessage": message, "errorType": error_type}, status=status)


def ok(status: int = ACCEPTED) -> web.Response:
    """Return `{"status":"OK"}`."""
    return web.json_response({"status": "OK"}, status=status)


def server_error() -> web.Response:
    """Return the answer which means that the environment is broken."""
    return refusal(SERVER_ERROR, "InternalServerError", "Internal Server Error")


def error_document(error_type: str, message: str) -> bytes:
    """Return the error document for the caller if the runtime gave no answer."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()

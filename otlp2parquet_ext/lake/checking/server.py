"""The remedy when a server for forwarded telemetry refuses or does not respond. Pure.

WebError --silence()--> CheckError        status --refusal()--> CheckError
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.common.secrets.urls import shown
from otlp2parquet_ext.lake.checking.remedies import CheckError, causes
from otlp2parquet_ext.lake.http.answer import MalformedError

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.http.response import Response, WebError

HOSTNAME_MISMATCH, IP_MISMATCH, EXPIRED, NOT_YET = 62, 64, 10, 9
"""Error codes of OpenSSL's verification: X509_V_ERR_HOSTNAME_MISMATCH and others."""

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws")
SIGNED = (
    "; if it wants AWS's signature (a function URL of AuthType AWS_IAM does), put a collector that "
    "signs before it: requests are not signed here"
)

SILENT: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (
        socket.gaierror,
        "look at the host's spelling; in a VPC, whether a private zone of it knows the name",
    ),
    (ConnectionRefusedError, "nothing listens there: start the server, or look at the port"),
    (ssl.SSLError, "what listens there speaks no TLS: write http://, or look at the port"),
    (
        (MalformedError, ConnectionResetError),
        "what listens there speaks no HTTP/1.1: look at the port",
    ),
)
"""Causes of a client's error, each with its remedy; the first match counts."""

KEPT = "; what it does not take is kept, and sent again"
NO_PATH = "nothing takes telemetry at this path: look at the path, the host and the port"
BEHIND = f"what stands before the server answers, the server does not: look at its own log{KEPT}"
ADVICE = {
    404: NO_PATH,
    405: NO_PATH,
    410: NO_PATH,
    413: "even a few bytes are too many: raise the limit of what stands before the server",
    415: "it takes another content type: expected a server for just this protocol",
    429: f"it is asked more than it allows: raise its quota, or a Data Tap's concurrency{KEPT}",
    502: BEHIND,
    503: BEHIND,
    504: BEHIND,
}


def silence(error: WebError, url: str) -> CheckError:
    """Return the failure for a request without a response, with the usual remedy.

    Args:
        error: the client's error.
        url: the request's URL.
    """
    return CheckError(str(error), _why_silent(error, url))


def _why_silent(error: WebError, url: str) -> str:
    for one in causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return _certificate(one)
        for kinds, advice in SILENT:
            if isinstance(one, kinds):
                return advice + _ports(url)
    if error.sent:
        return "the connection is there, the answer is not: look at the server, and at the port"
    return (
        "a function in a VPC reaches the internet through a NAT gateway only, and its security "
        f"group has to let it out on port {_port(url)}; elsewhere look at host and port"
    )


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in (HOSTNAME_MISMATCH, IP_MISMATCH):
        return "write the host as the server's certificate has it"
    if error.verify_code in (EXPIRED, NOT_YET):
        return "the server needs another certificate, or this machine's clock is wrong"
    return (
        "name a file with the certificate of its authority in AWS_CA_BUNDLE or SSL_CERT_FILE; it "
        "is then trusted instead of the usual ones, by S3's connections, too"
    )


def _ports(url: str) -> str:
    """Return a note about the ports of collectors; "" for the URL of a Data Tap."""
    return " (collectors take OTLP/HTTP at 4318, gRPC at 4317)" if "/v1/" in url else ""


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def refusal(status: int, url: str, says: str, response: Response, credentials: str) -> CheckError:
    """Return the failure for an error response, with its remedy.

    Args:
        status: status of the response, or inside its body.
        url: the request's URL.
        says: the status and the server's message.
        response: the response.
        credentials: the remedy for wrong credentials.
    """
    location = response.headers.get("location", "")
    advice = _advice(status, location)
    if status in (401, 403):
        advice = credentials + (SIGNED if _is_aws(url) else "")
    return CheckError(f"{shown(url)} answers {says}", advice)


def _is_aws(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith(AWS_HOSTS)


def _advice(status: int, location: str) -> str:
    if 300 <= status < 400:
        to = f" to {quote(location)!r}" if location else ""
        return f"it redirects{to}, which is not followed: write the address it leads to"
    return ADVICE.get(status, "look at the server's own log" if status >= 500 else "")

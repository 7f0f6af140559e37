"""A stand-in for S3 Tables: Apache Iceberg's REST catalog behind the rules of AWS.

    client --signed, below /iceberg/v1/<quoted ARN>--> table bucket --plain, below /v1--> catalog

It verifies signatures with botocore, wants names in lower case and namespaces of one level that
exist, and chooses locations itself. Who has a policy may do what that allows. What it refuses, it
refuses in the words of AWS.

Source: Amazon S3 user guide, "Amazon S3 Tables Iceberg REST endpoint" (its table of operations and
the actions they need), "Naming rules".
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.iam.access_control import IAMPolicy, PermissionResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVICE = "s3tables"
CLOCKS_MAY_DIFFER_S = 300
PATIENCE_S = 60
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
NAME = re.compile(r"[a-z0-9]([a-z0-9_]*[a-z0-9])?")
TABLES = "/namespaces/[^/]+/tables"
NEEDED = (
    ("GET", re.compile(r"/config\?.*"), ("GetTableBucket",), ()),
    ("POST", re.compile("/namespaces"), ("CreateNamespace",), ()),
    ("POST", re.compile(TABLES), ("CreateTable",), ("PutTableData",)),
    ("GET", re.compile(f"{TABLES}/[^/]+"), (), ("GetTableMetadataLocation", "GetTableData")),
    (
        "POST",
        re.compile(f"{TABLES}/[^/]+"),
        (),
        ("UpdateTableMetadataLocation", "PutTableData", "GetTableData"),
    ),
)
"""Method, path below the bucket's, and the actions it needs on the bucket and on the table."""
TABLE = "table/0a1b2c3d-0000-4000-8000-000000000000"


class Refusal(NamedTuple):
    """An answer instead of the catalog's."""

    status: int
    type: str
    message: str


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def signature_problem(asked: Asked, region: str, keys: Mapping[str, str]) -> Refusal | None:
    """Return why a request is not let in; None when it is.

    Args:
        asked: the request; names of headers are in lower case.
        region: of the bucket.
        keys: secrets by key id.
    """
    found = AUTHORIZATION.fullmatch(asked.headers.get("authorization", ""))
    if found is None:
        return Refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    key_id, signed_region, service, names, signature = found.groups()
    if key_id not in keys:
        return Refusal(403, "UnrecognizedClientException", "The security token is invalid.")
    problem = ""
    sent = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    credentials = Credentials(key_id, keys[key_id])
    if (signed_region, service) != (region, SERVICE):
        problem = f"Credential should be scoped to {region}/{SERVICE}"
    elif abs(time.time() - sent.timestamp()) > CLOCKS_MAY_DIFFER_S:
        problem = f"Signature expired: {sent}"
    elif {"host", "x-amz-date"} - set(names.split(";")):
        problem = "host and x-amz-date must be signed"
    elif signature != expected_signature(asked, names.split(";"), credentials, region):
        problem = "The signature we calculated differs."
    return Refusal(403, "InvalidSignatureException", problem) if problem else None


def expected_signature(
    asked: Asked, names: list[str], credentials: Credentials, region: str
) -> str:
    """Sign a request as botocore would have."""
    url = f"http://{asked.headers['host']}{asked.path}"
    signed = {name: asked.headers[name] for name in names if name in asked.headers}
    request = AWSRequest(asked.method, url, headers=signed, data=asked.body)
    request.context["timestamp"] = asked.headers["x-amz-date"]
    oracle = SigV4Auth(credentials, SERVICE, region)
    canonical = oracle.canonical_request(request)
    # The client's digest of its body is part of the signature, and has to be right.
    told = asked.headers.get("x-amz-content-sha256", hashlib.sha256(asked.body).hexdigest())
    assert told == hashlib.sha256(asked.body).hexdigest()
    signature: str = oracle.signature(oracle.string_to_sign(request, canonical), request)
    return signature


class Bucket:
    """The table bucket: what it lets through, and as what.

    Args:
        arn: of the bucket.
        catalog: URL of the catalog behind it.
        keys: secrets by key id.
        policies: by key id; who has none may do everything.
    """

    def __init__(
        self,
        arn: str,
        catalog: str,
        keys: Mapping[str, str],
        policies: Mapping[str, Mapping[str, object]],
    ) -> None:
        self._arn = arn
        self._region = arn.split(":")[3]
        self._keys = keys
        self._policies = policies
        self._target = urlsplit(catalog)

    def answer(self, asked: Asked) -> tuple[int, Mapping[str, str], bytes]:
        """Answer a request."""
        refusal = (
            signature_problem(asked, self._region, self._keys)
            or self._forbidden(asked)
            or self._problem(asked)
        )
        if refusal is not None:
            return _refuse(refusal)
        quoted = quote(self._arn, safe="")
        if asked.path.startswith("/iceberg/v1/config?"):
            if asked.path != f"/iceberg/v1/config?warehouse={quoted}":
                return _refuse(Refusal(404, "NotFoundException", "no such table bucket"))
            config = {"defaults": {}, "overrides": {"prefix": quoted}}
            return 200, {"content-type": "application/json"}, json.dumps(config).encode()
        prefix = f"/iceberg/v1/{quoted}/"
        if not asked.path.startswith(prefix):
            return _refuse(Refusal(404, "NotFoundException", "no such table bucket"))
        path = f"/v1/{asked.path.removeprefix(prefix)}"
        if re.fullmatch(r"/v1/namespaces/[^/]+/tables", path) and asked.method == "POST":
            there, _, _ = self._pass_on("GET", path.removesuffix("/tables"), b"")
            if there == 404:
                return _refuse(Refusal(404, "NoSuchNamespaceException", "no such namespace"))
        return self._pass_on(asked.method, path, asked.body)

    def _forbidden(self, asked: Asked) -> Refusal | None:
        """Return the action that the client's policy does not allow."""
        found = AUTHORIZATION.fullmatch(asked.headers["authorization"])
        assert found is not None  # the signature was verified
        if (policy := self._policies.get(found[1])) is None:
            return None
        path = asked.path.removeprefix("/iceberg/v1").removeprefix(f"/{quote(self._arn, safe='')}")
        for method, pattern, on_bucket, on_table in NEEDED:
            if asked.method == method and pattern.fullmatch(path):
                wanted = [(name, self._arn) for name in on_bucket]
                wanted += [(name, f"{self._arn}/{TABLE}") for name in on_table]
                for name, resource in wanted:
                    action = f"{SERVICE}:{name}"
                    allowed = IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)
                    if allowed is not PermissionResult.PERMITTED:
                        said = f"not authorized to perform: {action} on resource: {resource}"
                        return Refusal(403, "AccessDeniedException", said)
                return None
        return Refusal(403, "AccessDeniedException", f"not a known call: {asked.method} {path}")

    def _problem(self, asked: Asked) -> Refusal | None:
        """Return what S3 Tables does not take, though Iceberg does."""
        body = json.loads(asked.body or b"{}")
        if asked.method != "POST":
            return None
        if asked.path.endswith("/namespaces") and len(body["namespace"]) != 1:
            return Refusal(400, "BadRequestException", "namespaces have one level")
        if asked.path.endswith("/tables"):
            columns = [field["name"] for field in body["schema"]["fields"]]
            wrong = [name for name in [body["name"], *columns] if not NAME.fullmatch(name)]
            if wrong:
                return Refusal(400, "BadRequestException", f"invalid names: {wrong}")
            if "location" in body:
                return Refusal(400, "BadRequestException", "the location cannot be chosen")
        return None

    def _pass_on(self, method: str, path: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        upstream = http.client.HTTPConnection(
            self._target.hostname or "", self._target.port, timeout=PATIENCE_S
        )
        try:
            upstream.request(method, path, body or None, {"content-type": "application/json"})
            answer = upstream.getresponse()
            kind = answer.getheader("content-type") or "application/json"
            return answer.status, {"content-type": kind}, answer.read()
        finally:
            upstream.close()


def _refuse(refusal: Refusal) -> tuple[int, Mapping[str, str], bytes]:
    headers = {"content-type": "application/json", "x-amzn-errortype": refusal.type}
    return refusal.status, headers, json.dumps({"message": refusal.message}).encode()


@contextmanager
def running(
    arn: str,
    catalog: str,
    keys: Mapping[str, str],
    policies: Mapping[str, Mapping[str, object]] = {},
) -> Iterator[str]:
    """Start a table bucket; yields the endpoint, to which clients add `/iceberg`.

    Args:
        arn: of the bucket.
        catalog: URL of the catalog behind it.
        keys: secrets by key id.
        policies: by key id; who has none may do everything.
    """
    bucket = Bucket(arn, catalog, keys, policies)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said, data = bucket.answer(Asked(self.command, self.path, headers, body))
            self.send_response_only(status)
            for name, value in {**said, "date": formatdate(usegmt=True)}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

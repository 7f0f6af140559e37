"""S3 as storage, through the package's own HTTP client.

    put   PUT with If-None-Match: * -- 412 --> HEAD: writer and length of the existing object
    list  ListObjectsV2, page by page                      size  HEAD

A response can get lost after S3 has stored the object. The next attempt then finds an object, and
must tell its own from another writer's. So each `put` stores a random mark in the metadata.

Source: Amazon S3 user guide, "Adding conditions to S3 operations"; Amazon S3 API reference.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.http.dates import http_date_ms
from otlp2parquet_ext.lake.http.errors import error_of
from otlp2parquet_ext.lake.http.limits import ACKNOWLEDGED, LISTING, METADATA, OBJECT, AnswerLimit
from otlp2parquet_ext.lake.http.response import ResponseTooLongError, WebError
from otlp2parquet_ext.lake.storage.s3_address import TABLE_BUCKET, S3Location, S3Service, full_path
from otlp2parquet_ext.lake.storage.s3_documents import (
    UNSPEAKABLE,
    content_md5,
    deletion,
    not_deleted,
    read_page,
)
from otlp2parquet_ext.lake.storage.s3_errors import Action, length_of, refusal
from otlp2parquet_ext.lake.storage.storage import (
    ForeignAddressError,
    NotThereError,
    ObjectPart,
    ObjectTooLongError,
    Put,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otlp2parquet_ext.lake.http.aws import AwsClient
    from otlp2parquet_ext.lake.http.response import Response
    from otlp2parquet_ext.lake.storage.buffers import BytesLike
    from otlp2parquet_ext.lake.storage.storage import ObjectEntry

LIMIT_MS = 60_000
"""Default for the longest time of one operation, retries included."""

DELETED_AT_ONCE = 1_000
PUT_ATTEMPTS = 3
MARK = "x-amz-meta-put"


class S3Storage:
    """See `Storage`.

    Args:
        aws: signs and sends, for the service `s3`.
        root: `bucket/prefix`, or "" for all buckets: paths then begin with the bucket's name.
        endpoint: `http[s]://host[:port]` of another server than AWS's; "" for AWS.
        path_style: put the bucket into the path; None for the usual style of the server.
        limit_ms: longest time for one operation, retries included.
    """

    def __init__(
        self,
        aws: AwsClient,
        root: str,
        *,
        endpoint: str = "",
        path_style: bool | None = None,
        limit_ms: int = LIMIT_MS,
    ) -> None:
        self._aws = aws
        self._root = f"{root.strip('/')}/" if root.strip("/") else ""
        self._service = S3Service(aws.region, endpoint, path_style)
        self._limit_ms = limit_ms

    def put(self, path: str, data: BytesLike) -> Put:
        """See `Storage.put`; takes one request if no object has that name."""
        place = self._place(path)
        mark = os.urandom(8).hex()
        headers = {"If-None-Match": "*", MARK: mark}
        length = len(memoryview(data).cast("B"))
        for _ in range(PUT_ATTEMPTS):
            response = self._send("PUT", place, headers, data)
            # Table buckets refuse the condition; there, no two of our writers share a name.
            if response.status == 501 and place.bucket.endswith(TABLE_BUCKET):
                response = self._send("PUT", place, {}, data)
            if response.status == 200:
                return Put(new=True, size_bytes=length, stored_ms=_time_ms(response, "date"))
            if response.status != 412:
                raise refusal(Action.PUT, place, self._service, response)
            if (there := self._look(place)) is not None:
                return Put(
                    new=there.headers.get(MARK) == mark,
                    size_bytes=length_of(place, there),
                    stored_ms=_time_ms(there, "last-modified"),
                )
        raise StorageError(f"{place} cannot be written: other writers create and delete it")

    def get(self, path: str, most_bytes: int | None = None, *, decoded: bool = False) -> bytes:
        """See `Storage.get`."""
        place = self._place(path)
        limit = METADATA if decoded else OBJECT
        if most_bytes is not None:
            limit = limit._replace(size_bytes=min(most_bytes, limit.size_bytes))
        response = self._send("GET", place, limit=limit)
        if response.status == 200:
            return response.body
        raise refusal(Action.GET, place, self._service, response)

    def part(self, path: str, start: int, length: int) -> ObjectPart:
        """See `Storage.part`; takes one request if the object has such a part."""
        place = self._place(path)
        wanted = {"Range": f"bytes={start}-{start + length - 1}"}
        response = self._send("GET", place, wanted, limit=OBJECT)
        if response.status == 416:  # the object ends before `start`
            there = self._look(place)
            if there is None:
                raise NotThereError(f"{place} is not there")
            return ObjectPart(b"", length_of(place, there), _time_ms(there, "last-modified"))
        body, stored_ms = response.body, _time_ms(response, "last-modified")
        if response.status == 200:  # the server does not support ranges
            return ObjectPart(body[start : start + length], len(body), stored_ms)
        if response.status == 206:
            whole = response.headers.get("content-range", "").rpartition("/")[2]
            if not whole.isdecimal():
                raise StorageError(f"{place}: the server does not say how long it is")
            return ObjectPart(body[:length], int(whole), stored_ms)
        raise refusal(Action.GET, place, self._service, response)

    def list(self, prefix: str) -> Iterator[str]:
        """See `Storage.list`; fetches the next page when the caller needs it."""
        return (entry.path for entry in self._pages(self._folder(prefix), delimiter="/"))

    def walk(self, prefix: str, after: str = "") -> Iterator[ObjectEntry]:
        """See `Storage.walk`."""
        folder = self._folder(prefix)
        key = f"{self._root}{after}".removeprefix(f"{folder.bucket}/") if after else ""
        return self._pages(folder, after=key)

    def delete(self, path: str) -> None:
        """See `Storage.delete`."""
        place = self._place(path)
        response = self._send("DELETE", place)
        if response.status not in (200, 204) and error_of(response)[0] != "NoSuchKey":
            raise refusal(Action.DELETE, place, self._service, response)

    def delete_many(self, paths: Sequence[str]) -> None:
        """See `Storage.delete_many`: a thousand in one request, if the server supports it."""
        buckets: dict[str, list[str]] = {}
        for path in paths:
            place = self._place(path)
            if UNSPEAKABLE.search(place.key):
                self.delete(path)
            else:
                buckets.setdefault(place.bucket, []).append(place.key)
        for bucket, keys in buckets.items():
            for start in range(0, len(keys), DELETED_AT_ONCE):
                self._delete_at_once(S3Location(bucket, ""), keys[start : start + DELETED_AT_ONCE])

    def _delete_at_once(self, bucket: S3Location, keys: Sequence[str]) -> None:
        left = keys
        if len(keys) > 1:
            body = deletion(keys)
            response = self._send(
                "POST", bucket, content_md5(body), body, (("delete", ""),), limit=LISTING
            )
            if response.status == 200:
                left = not_deleted(response.body)
        for key in left:  # singly, because `delete` retries and its error has the cause
            self.delete(self._path(bucket._replace(key=key)))

    def url(self, path: str) -> str:
        """See `Storage.url`."""
        return str(self._place(path))

    def path(self, url: str) -> str:
        """See `Storage.path`; also accepts `s3a:` and `s3n:`."""
        full = full_path(url)
        if full is None or not full.startswith(self._root):
            raise ForeignAddressError(f"{url} does not lie in s3://{self._root}")
        return full.removeprefix(self._root)

    def size(self, path: str) -> int | None:
        """See `Storage.size`."""
        place = self._place(path)
        there = self._look(place)
        return None if there is None else length_of(place, there)

    def _look(self, place: S3Location) -> Response | None:
        """Return the response to HEAD; None if the object does not exist.

        A refused HEAD has only a status, which is the same for a missing object and a missing
        bucket. So after a refusal, a GET asks for the error's code and message.
        """
        response = self._send("HEAD", place)
        if response.status == 200:
            return response
        words = self._send("GET", place, {"Range": "bytes=0-0"}, limit=ACKNOWLEDGED)
        if words.status in (200, 206, 416):  # 416: the object exists and is empty
            again = self._send("HEAD", place)
            if again.status == 200:
                return again
        error = refusal(Action.GET, place, self._service, words)
        if isinstance(error, NotThereError):
            return None
        raise error

    def _pages(
        self, folder: S3Location, *, delimiter: str = "", after: str = ""
    ) -> Iterator[ObjectEntry]:
        """Yield the objects below a folder, a page of 1 000 at a time.

        Args:
            folder: its key ends with a slash, or is empty.
            delimiter: "/" for only the objects directly below the folder.
            after: yield only keys after this one.

        Raises:
            StorageError: the server repeats a continuation token, so the listing would not end.
        """
        tokens: set[str] = set()
        asked = {
            "list-type": "2",
            "encoding-type": "url",
            "prefix": folder.key,
            "delimiter": delimiter,
            "start-after": after,
        }
        while True:
            pairs = tuple((name, value) for name, value in asked.items() if value)
            response = self._send("GET", folder._replace(key=""), {}, b"", pairs, limit=LISTING)
            if response.status != 200:
                raise refusal(Action.LIST, folder, self._service, response)
            page = read_page(response.body)
            for entry in page.entries:
                if not entry.path.endswith("/"):  # an object that S3's console made for a folder
                    yield entry._replace(path=self._path(folder._replace(key=entry.path)))
            if not page.token:
                return
            if page.token in tokens:
                raise StorageError(
                    f"{self._path(folder)!r} cannot be listed: after {len(tokens)} pages the "
                    "server repeats a page it has sent before; nothing was changed"
                )
            tokens.add(page.token)
            asked |= {"continuation-token": page.token, "start-after": ""}

    def _send(
        self,
        method: str,
        place: S3Location,
        headers: Mapping[str, str] | None = None,
        body: BytesLike = b"",
        pairs: tuple[tuple[str, str], ...] = (),
        *,
        limit: AnswerLimit = ACKNOWLEDGED,
    ) -> Response:
        deadline_ms = round(time.time() * 1_000) + self._limit_ms
        try:
            return self._aws.request(
                method,
                self._service.url(place, pairs),
                headers=headers,
                body=body,
                deadline_ms=deadline_ms,
                limit=limit,
            )
        except WebError as error:
            kind = ObjectTooLongError if isinstance(error, ResponseTooLongError) else StorageError
            raise kind(f"{place}: {error}") from error

    def _place(self, path: str) -> S3Location:
        bucket, _, key = f"{self._root}{path}".partition("/")
        if not bucket or not key:
            raise StorageError(f"{path!r} names no object: expected bucket/key")
        return S3Location(bucket, key)

    def _folder(self, prefix: str) -> S3Location:
        bucket, _, key = f"{self._root}{prefix}".strip("/").partition("/")
        if not bucket:
            raise StorageError(f"{prefix!r} names no bucket")
        return S3Location(bucket, f"{key}/" if key else "")

    def _path(self, place: S3Location) -> str:
        return f"{place.bucket}/{place.key}".removeprefix(self._root)


def _time_ms(response: Response, header: str) -> int:
    """Return the time in a header, Unix ms; the current time without that header."""
    server_ms = http_date_ms(response.headers.get(header, ""))
    return round(time.time() * 1_000) if server_ms is None else server_ms

"""Messages for refused S3 requests: the object, the cause, and the remedy. Pure.

Source: Amazon S3 API reference, "Error responses"; service authorization reference, "Actions,
resources, and condition keys for Amazon S3", "… for Amazon S3 Tables".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from otlp2parquet_ext.common.log import quote
from otlp2parquet_ext.lake.http.errors import code_of, error_of, expired, skewed, throttled
from otlp2parquet_ext.lake.storage.s3_address import TABLE_BUCKET
from otlp2parquet_ext.lake.storage.storage import NotThereError, StorageError

if TYPE_CHECKING:
    from otlp2parquet_ext.lake.http.response import Response
    from otlp2parquet_ext.lake.storage.s3_address import S3Location, S3Service

REGION_CHARACTERS = 40
REGION = re.compile(rb"<Region>([a-z0-9-]+)</Region>")


class Action(Enum):
    """An operation: its participle for sentences, and its action in policies."""

    PUT = ("written", "s3:PutObject")
    GET = ("read", "s3:GetObject")
    LIST = ("listed", "s3:ListBucket")
    DELETE = ("removed", "s3:DeleteObject")


def refusal(
    action: Action, place: S3Location, service: S3Service, response: Response
) -> StorageError:
    """Return the error for a response that the caller does not expect."""
    participle, _ = action.value
    code, message = error_of(response)
    what = f"{place} cannot be {participle}"
    if code == "NoSuchKey":
        return NotThereError(f"{place} is not there")
    advice = _advice(action, place, service, response)
    said = " ".join(f"HTTP {response.status} {code}".split())
    if message:
        said += f": {quote(message)}"
    error = StorageError(f"{what}: {advice} ({said})" if advice else f"{what}: {said}")
    if response.status == 403 and advice == _permission(action, place, service):
        error.lacks = _lacking(action, place)
    error.of_object = response.status in (400, 403)
    return error


def _advice(action: Action, place: S3Location, service: S3Service, response: Response) -> str:
    """Return the cause and the remedy; "" if they are not known."""
    code = code_of(response)
    region = region_of(response)
    if region and region != service.region:
        return (
            f"the bucket lies in {region}, not in {service.region}; add region={region} to the "
            "URL that names it"
        )
    if expired(response):
        return "the credentials are not, or no longer, valid"
    if skewed(response):
        return "the clock of this machine is wrong"
    if throttled(response):
        return "too many requests; it is tried again later"
    return CAUSES.get(code, "") or _by_status(action, place, service, response.status)


CAUSES = {
    "NoSuchBucket": "there is no such bucket; is its name right, and the region?",
    "InvalidBucketName": "a bucket cannot have this name",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is not that of AWS_ACCESS_KEY_ID",
    "NotImplemented": "the server knows no conditional writes (If-None-Match), which are needed",
    "EntityTooLarge": "a single request takes at most 5 GiB",
}


def _by_status(action: Action, place: S3Location, service: S3Service, status: int) -> str:
    if status == 403:
        return _permission(action, place, service)
    if status == 301:
        return "the bucket lies in another region; add region= to the URL that names it"
    return ""


def _lacking(action: Action, place: S3Location) -> tuple[str, ...]:
    """Return the actions of which the role lacks one.

    Without s3:ListBucket, S3 responds to a missing object with 403, as to a forbidden one.
    """
    if place.bucket.endswith(TABLE_BUCKET):
        return ("s3tables:PutTableData" if action is Action.PUT else "s3tables:GetTableData",)
    needed = action.value[1]
    return (needed, Action.LIST.value[1]) if action is Action.GET else (needed,)


def _permission(action: Action, place: S3Location, service: S3Service) -> str:
    """Return a sentence about the missing permission, with the object's folder as the resource."""
    if place.bucket.endswith(TABLE_BUCKET):
        (needed,) = _lacking(action, place)
        resource = "arn:…:s3tables:…:bucket/NAME/table/*"
        return f"{needed} on {resource} is not allowed; add it to the role's policy"
    if action is Action.LIST:
        resource = service.arn(place._replace(key=""))
    else:
        folder = place.key.partition("/")[0] + "/" if "/" in place.key else ""
        resource = service.arn(place._replace(key=f"{folder}*"))
    needed = f"{action.value[1]} on {resource} is not allowed; add it to the role's policy"
    if action is Action.GET:
        needed += ", with s3:ListBucket on the bucket, or what is missing looks forbidden"
    return needed + ", and for an encrypted bucket the use of its KMS key"


def region_of(response: Response) -> str:
    """Return the bucket's region if the response has it, else ""."""
    if response.status not in (301, 307, 400, 403):
        return ""
    found = REGION.search(response.body)
    return quote(response.headers.get("x-amz-bucket-region", ""), REGION_CHARACTERS) or (
        found[1].decode() if found else ""
    )


def length_of(place: S3Location, response: Response) -> int:
    """Return an object's length from the response.

    Raises:
        StorageError: the response does not have it.
    """
    length = response.headers.get("content-length", "")
    if not length.isdecimal():
        raise StorageError(f"{place}: the server does not say how long it is")
    return int(length)

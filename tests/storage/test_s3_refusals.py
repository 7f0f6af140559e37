"""Each refusal of S3 is reported with its cause and its remedy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import scripted_http
import versitygw
from s3_clients import BUCKET, aws_at, make_bucket, s3_at, soon

from otlp2parquet_ext.lake.http.response import Response
from otlp2parquet_ext.lake.storage.s3_address import S3Location, S3Service, full_path
from otlp2parquet_ext.lake.storage.s3_documents import not_deleted, read_page
from otlp2parquet_ext.lake.storage.s3_errors import Action, refusal
from otlp2parquet_ext.lake.storage.storage import NotThereError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLACE = S3Location("lake", "otel/logs/data/x.parquet")
SERVICE = S3Service("eu-central-1")
OTHER = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "another-secret"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 that verifies signatures and permissions, with two accounts."""
    with versitygw.running(tmp_path_factory.mktemp("versitygw")) as url:
        make_bucket(url, aws_at())
        versitygw.add_user(url, OTHER)
        yield url


def refused(status: int, body: str, **headers: str) -> Response:
    """Return an answer."""
    return Response(status, headers, body.encode())


def said(code: str, message: str = "Because.", more: str = "") -> str:
    """Return the body of S3's error."""
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"


def test_a_bucket_that_does_not_exist_is_named(server: str) -> None:
    """This mistake comes first, and to HEAD it looks like a missing object."""
    wrong = s3_at(server, "laek")
    for ask in (lambda: wrong.put("x", b""), lambda: wrong.size("x"), lambda: list(wrong.list(""))):
        with pytest.raises(StorageError, match=r"s3://laek.*no such bucket.*NoSuchBucket") as error:
            ask()
        assert not isinstance(error.value, NotThereError)


@pytest.mark.parametrize(
    ("operation", "needed"),
    [
        ("put", r"s3:PutObject on arn:aws:s3:::lake/otel/\*"),
        ("get", r"s3:GetObject on arn:aws:s3:::lake/otel/\*.*s3:ListBucket"),
        ("size", r"s3:GetObject on arn:aws:s3:::lake/otel/\*"),
        ("list", r"s3:ListBucket on arn:aws:s3:::lake "),
        ("delete", r"s3:DeleteObject on arn:aws:s3:::lake/otel/\*"),
        ("delete_many", r"s3:DeleteObject on arn:aws:s3:::lake/otel/\*"),
    ],
)
def test_a_permission_that_is_missing_is_named(server: str, operation: str, needed: str) -> None:
    """Ready to be added to the role's policy."""
    stranger = s3_at(server, f"{BUCKET}/otel", OTHER)
    ask: dict[str, Callable[[], object]] = {
        "put": lambda: stranger.put("a/x", b""),
        "get": lambda: stranger.get("a/x"),
        "size": lambda: stranger.size("a/x"),
        "list": lambda: list(stranger.list("a")),
        "delete": lambda: stranger.delete("a/x"),
        "delete_many": lambda: stranger.delete_many(["a/x", "a/y"]),
    }
    with pytest.raises(StorageError, match=needed):
        ask[operation]()


def test_a_policy_that_allows_what_is_named_is_enough(server: str) -> None:
    """The advice of the errors, followed word by word."""
    principal = {"AWS": [OTHER["AWS_ACCESS_KEY_ID"]]}
    allow = {"Effect": "Allow", "Principal": principal}
    put = {**allow, "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::open/otel/*"]}
    aws = aws_at()
    make_bucket(server, aws, "open")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [put]}).encode()
    done = aws.request("PUT", f"{server}/open?policy=", body=policy, deadline_ms=soon())
    assert done.status in (200, 204), done
    writer = s3_at(server, "open/otel", OTHER)
    assert writer.put("a/x", b"").new
    with pytest.raises(StorageError, match="s3:GetObject"):
        writer.get("a/x")


def test_credentials_that_are_wrong_are_told_from_permissions(server: str) -> None:
    """With a mistyped secret a user should not search a policy."""
    wrong = s3_at(server, environ={**versitygw.CREDENTIALS, "AWS_SECRET_ACCESS_KEY": "no"})
    with pytest.raises(StorageError, match="AWS_SECRET_ACCESS_KEY is not that of"):
        wrong.put("x", b"")
    unknown = s3_at(server, environ={**OTHER, "AWS_ACCESS_KEY_ID": "nobody"})
    with pytest.raises(StorageError, match="credentials are not, or no longer, valid"):
        unknown.put("x", b"")


def test_the_region_is_named(server: str) -> None:
    """S3 returns the right one, and the message has it, with the option to set."""
    wrong = s3_at(server, region="us-west-2")
    with pytest.raises(StorageError, match=r"in eu-central-1, not in us-west-2; add region=eu-"):
        wrong.put("x", b"")
    # A HEAD that is refused has no words; they are asked for.
    with pytest.raises(StorageError, match=r"add region=eu-central-1"):
        wrong.size("x")


def test_a_clock_that_is_off_is_set_by_the_servers(server: str) -> None:
    """A sandbox that was frozen for long may wake up with yesterday's time."""
    aws = aws_at()
    aws._ahead_s = -86_400.0
    assert aws.request("HEAD", f"{server}/{BUCKET}", deadline_ms=soon()).status == 403
    assert aws.request("GET", f"{server}/{BUCKET}", deadline_ms=soon()).status == 200
    assert abs(aws._ahead_s) < 5


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (refused(400, said("ExpiredToken")), "credentials are not, or no longer, valid"),
        (refused(403, said("RequestTimeTooSkewed")), "the clock of this machine is wrong"),
        (refused(503, said("SlowDown")), "too many requests; it is tried again later"),
        (refused(501, said("NotImplemented")), "knows no conditional writes"),
        (
            refused(301, said("PermanentRedirect"), **{"x-amz-bucket-region": "us-east-2"}),
            "lies in us-east-2, not in eu-central-1; add region=us-east-2",
        ),
        (
            refused(400, said("AuthorizationHeaderMalformed", more="<Region>us-west-1</Region>")),
            "lies in us-west-1, not in eu-central-1; add region=us-west-1",
        ),
        (refused(301, ""), "another region"),
        (refused(403, said("AccessDenied")), r"s3:PutObject on arn:aws:s3:::lake/otel/\*"),
        (refused(403, ""), r"s3:PutObject on arn:aws:s3:::lake/otel/\*"),
        (refused(418, "short and stout"), r"cannot be written: HTTP 418: short and stout$"),
        (refused(400, said("X", "a\n b &amp; c")), r": HTTP 400 X: a b & c$"),
    ],
)
def test_each_refusal_has_its_advice(response: Response, expected: str) -> None:
    """As AWS words them; a server that does not is still quoted."""
    with pytest.raises(StorageError, match=expected) as error:
        raise refusal(Action.PUT, PLACE, SERVICE, response)
    assert str(error.value).startswith("s3://lake/otel/logs/data/x.parquet cannot be written: ")


def test_in_a_table_bucket_other_permissions_count() -> None:
    """Its objects have a service, and a policy, of their own."""
    place = S3Location("63a8e430-6e0b-46f5--table-s3", "data/x.parquet")
    for action, needed in ((Action.PUT, "PutTableData"), (Action.GET, "GetTableData")):
        error = refusal(action, place, SERVICE, refused(403, said("AccessDenied")))
        assert f"s3tables:{needed} on arn:" in str(error)


def test_partitions_other_than_aws_have_their_own_names() -> None:
    """A policy for arn:aws: allows nothing in China."""
    china = S3Service("cn-north-1")
    assert china.arn(PLACE) == "arn:aws-cn:s3:::lake/otel/logs/data/x.parquet"
    assert china.url(PLACE).startswith("https://lake.s3.cn-north-1.amazonaws.com.cn/otel/")
    assert S3Service("us-gov-west-1").arn(S3Location("lake", "")) == "arn:aws-us-gov:s3:::lake"


@pytest.mark.parametrize(
    ("service", "bucket", "url"),
    [
        (SERVICE, "lake", "https://lake.s3.eu-central-1.amazonaws.com/a%20b/c%3Dd"),
        # A certificate for *.s3.… covers no dots, and a DNS label no capitals.
        (SERVICE, "my.lake", "https://s3.eu-central-1.amazonaws.com/my.lake/a%20b/c%3Dd"),
        (SERVICE, "OldLake", "https://s3.eu-central-1.amazonaws.com/OldLake/a%20b/c%3Dd"),
        (
            SERVICE._replace(path_style=True),
            "lake",
            "https://s3.eu-central-1.amazonaws.com/lake/a%20b/c%3Dd",
        ),
        (S3Service("x", "http://h:9000/"), "lake", "http://h:9000/lake/a%20b/c%3Dd"),
        (S3Service("x", "http://h:9000/base"), "lake", "http://h:9000/base/lake/a%20b/c%3Dd"),
        (
            S3Service("x", "https://h", path_style=False),
            "lake",
            "https://lake.h/a%20b/c%3Dd",
        ),
    ],
)
def test_buckets_are_addressed_as_their_server_wants_it(
    service: S3Service, bucket: str, url: str
) -> None:
    """Virtual-hosted at AWS, in the path elsewhere, or as the user sets it."""
    assert service.url(S3Location(bucket, "a b/c=d")) == url


def test_all_spellings_of_an_address_are_understood() -> None:
    """Spark and Hive write s3a: and s3n: into tables we read."""
    assert {full_path(f"{s}://lake/x") for s in ("s3", "s3a", "s3n")} == {"lake/x"}
    assert full_path("gs://lake/x") is None
    everywhere = s3_at("http://h", "")
    assert everywhere.path("s3a://other/x") == "other/x"
    assert everywhere.url("other/x") == "s3://other/x"
    with pytest.raises(StorageError, match="names no object"):
        everywhere.get("bucket")


def test_a_table_bucket_that_knows_no_conditions_is_written_to_all_the_same() -> None:
    """No two writers share a name there; anywhere else a lost condition would lose claims."""
    answers = [
        scripted_http.answer(said("NotImplemented").encode(), 501),
        scripted_http.answer(),
    ]
    with scripted_http.running(scripted_http.answering(answers)) as server:
        assert s3_at(server.url, "63a8e430--table-s3").put("data/x", b"rows").new
        assert [b"if-none-match" in r.lower() for r in server.requests] == [True, False]
    with scripted_http.running(scripted_http.answering(answers[:1])) as server:
        with pytest.raises(StorageError, match="knows no conditional writes"):
            s3_at(server.url, "lake").put("data/x", b"rows")
        assert len(server.requests) == 1


@pytest.mark.parametrize("read", [read_page, not_deleted])
@pytest.mark.parametrize("body", [b"", b"<html>", b"<Error/>", b"{}"])
def test_an_answer_that_is_something_else_is_an_error_of_the_storage(
    read: Callable[[bytes], object], body: bytes
) -> None:
    """A captive portal answers 200, too."""
    with pytest.raises(StorageError, match="answer is not"):
        read(body)


def test_a_server_that_encodes_no_names_is_understood() -> None:
    """`encoding-type=url` is a wish, and the answer shows whether it was granted."""
    entry = "<Contents><Key>a+b%20c</Key><Size>1</Size></Contents>"
    plain = f"<ListBucketResult>{entry}</ListBucketResult>"
    coded = f"<ListBucketResult><EncodingType>url</EncodingType>{entry}</ListBucketResult>"
    assert [e.path for e in read_page(plain.encode()).entries] == ["a+b%20c"]
    assert [e.path for e in read_page(coded.encode()).entries] == ["a b c"]


def test_a_listing_that_goes_round_in_circles_has_an_end() -> None:
    """A committer that lists an inbox would else never answer again, and commit nothing."""
    page = (
        "<ListBucketResult><Contents><Key>inbox/x</Key></Contents>"
        "<IsTruncated>true</IsTruncated><NextContinuationToken>on</NextContinuationToken>"
        "</ListBucketResult>"
    )
    with scripted_http.running(
        scripted_http.answering([scripted_http.answer(page.encode())])
    ) as server:
        with pytest.raises(StorageError, match="after 1 pages the server repeats a page"):
            list(s3_at(server.url).list("inbox"))
        assert len(server.requests) == 2


@pytest.mark.parametrize("size", ["x", "1e5", "9" * 5_000, "\u00b2"])
def test_a_size_that_is_no_number_is_no_listing(size: str) -> None:
    """Any other error than the storage's own would end a committer's work for all tables."""
    page = (
        f"<ListBucketResult><Contents><Key>a</Key><Size>{size}</Size></Contents></ListBucketResult>"
    )
    with pytest.raises(StorageError, match="S3's answer is not ListBucketResult"):
        read_page(page.encode())

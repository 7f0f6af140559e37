"""The trials of each kind of destination, in order: one function for each kind.

kind                 steps
any                  encryption, if a secret would be sent over plain http
file, s3             credentials, files
sqlite               tables, files, inbox
glue, s3tables       credentials, tables, files, inbox
rest, catalog        tables, files, inbox; not credentials, which the catalog may vend
tap                  the token, the server; a line with `check --send`
otlp                 a request without records for each signal
any lake, in relay   credentials, the folder for raw segments

Modules with pyarrow are imported only where needed: a destination that forwards does not need it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from otlp2parquet_ext.lake.checking.collector import collector_trials
from otlp2parquet_ext.lake.checking.data_tap import tap_trials
from otlp2parquet_ext.lake.checking.files import PROBE, file_trials, waiting
from otlp2parquet_ext.lake.checking.identity import identity_trials
from otlp2parquet_ext.lake.checking.runner import NotTried, Trial
from otlp2parquet_ext.lake.destinations.address import FORWARDING
from otlp2parquet_ext.lake.destinations.choose import secrets_of
from otlp2parquet_ext.lake.http.clear_text import clear_text
from otlp2parquet_ext.lake.iceberg.commit.set_aside import FOLDER
from otlp2parquet_ext.lake.storage.lazily import LazyStorage
from otlp2parquet_ext.lake.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otlp2parquet_ext.lake.checking.target import Subject
    from otlp2parquet_ext.lake.destinations.lake_factory import Parts

KNOWN = ("credentials",)
SERVICES = {"glue": "Glue", "s3tables": "S3 Tables", "sqlite": ""}


def trials_of(subject: Subject) -> Iterator[Trial]:
    """Yield the trials of a destination."""
    for secret, url in secrets_of(subject.address, subject.settings).items():
        if line := clear_text(url, secret):
            yield Trial("encryption", partial(_noted, line))
    kind = subject.address.kind
    relays = subject.settings.commit == "relay" and kind not in FORWARDING
    yield from (_relay if relays else KINDS[kind])(subject)


def _noted(line: str) -> str:
    """Raise a note: the setting works, but should be changed."""
    raise NotTried(line)


def _relay(subject: Subject) -> Iterator[Trial]:
    """Yield the trials of the folder for raw segments; relay needs no catalog."""
    from otlp2parquet_ext.lake.destinations.raw_segment import SEGMENTS, SUFFIX  # noqa: PLC0415
    from otlp2parquet_ext.lake.destinations.relay import relay_storage  # noqa: PLC0415

    storage = relay_storage(subject.address, subject.settings, subject.plain)
    local = isinstance(storage, LocalStorage)
    if not local:
        yield from identity_trials(subject)
    needs, service = ((), "") if local else (KNOWN, "s3")
    policy, name = "" if local else "inbox-mode", f"{SEGMENTS}/{PROBE}"
    yield from file_trials(storage, policy, name=name, needs=needs, service=service)
    yield Trial("relay", lambda: waiting(storage, SEGMENTS, SUFFIX), service, policy, needs)


def _file(subject: Subject) -> Iterator[Trial]:
    yield from file_trials(subject.access.storage(subject.address.place), "", service="")


def _s3(subject: Subject) -> Iterator[Trial]:
    yield from identity_trials(subject)
    storage = subject.access.storage(f"s3://{subject.address.place}")
    yield from file_trials(storage, "plain-s3", needs=KNOWN)


def _sqlite(subject: Subject) -> Iterator[Trial]:
    yield from _lake(subject, "", ())


def _glue(subject: Subject) -> Iterator[Trial]:
    yield from identity_trials(subject)
    yield from _lake(subject, "inbox-mode" if subject.only_stores else "glue", KNOWN)


def _s3_tables(subject: Subject) -> Iterator[Trial]:
    yield from identity_trials(subject)
    yield from _lake(subject, "s3-tables", KNOWN)


def _rest(subject: Subject) -> Iterator[Trial]:
    policy = "s3-tables" if subject.address.in_table_bucket else "rest"
    yield from _lake(subject, "inbox-mode" if subject.only_stores else policy, ())


def _lake(subject: Subject, policy: str, needs: tuple[str, ...]) -> Iterator[Trial]:
    """Yield the trials of Iceberg tables: each table, and the files of the first."""
    from otlp2parquet_ext.lake.checking.catalog import TableCheck, table_trials  # noqa: PLC0415
    from otlp2parquet_ext.lake.destinations.lake_factory import parts  # noqa: PLC0415
    from otlp2parquet_ext.records.tables.registry import TABLES  # noqa: PLC0415

    service = SERVICES.get(subject.address.kind, "the catalog")
    first = True
    for name in TABLES:
        if name not in subject.wanted and not subject.others:
            continue
        made = parts(
            subject.address,
            subject.settings,
            subject.environ,
            retries_commits=True,
            table=name,
            access=subject.plain,
        )
        check = TableCheck(subject, name, made)
        yield from table_trials(check, name, policy, service, needs)
        if check.missing and (name not in subject.wanted or not made.apart):
            continue
        if isinstance(made.storage, LazyStorage):
            needs = (*needs, name)  # without the table, the location of its files is unknown
        if first:
            yield from _files(subject, made, policy, needs)
        yield from _inbox(subject, made, name, policy, needs, first=first)
        first = False


def _files(subject: Subject, made: Parts, policy: str, needs: tuple[str, ...]) -> Iterator[Trial]:
    """Yield the trials of the storage for data files.

    None for a table bucket: objects cannot be deleted there, and the commit's trial covers the
    permissions for files.
    """
    if not subject.address.in_table_bucket:
        service = "" if subject.address.kind == "sqlite" else "s3"
        # In the folder of data files: a role that only stores may not write elsewhere.
        where = f"data/{PROBE}"
        yield from file_trials(made.storage, policy, name=where, needs=needs, service=service)


def _inbox(
    subject: Subject, made: Parts, name: str, policy: str, needs: tuple[str, ...], *, first: bool
) -> Iterator[Trial]:
    """Yield the trials of the inbox, which may be in another storage."""
    inbox = made.inbox
    if not inbox.usable:
        return
    service = "" if subject.address.kind == "sqlite" else "s3"
    if inbox.storage is not made.storage:
        policy, service = "inbox-mode" if subject.only_stores else "inbox-apart", "the inbox"
        if first:
            where = f"{FOLDER}/{PROBE}"
            yield from file_trials(
                inbox.storage, policy, prefix="inbox ", name=where, needs=needs, service=service
            )
    yield Trial(f"{name} inbox", lambda: waiting(inbox.storage, FOLDER), service, policy, needs)


KINDS: Mapping[str, Callable[[Subject], Iterator[Trial]]] = {
    "file": _file,
    "s3": _s3,
    "sqlite": _sqlite,
    "glue": _glue,
    "s3tables": _s3_tables,
    "rest": _rest,
    "catalog": _rest,
    "tap": tap_trials,
    "otlp": collector_trials,
}

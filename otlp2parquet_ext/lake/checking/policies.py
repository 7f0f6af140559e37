"""The policies of docs/iam as values, and the statements of them that allow refused actions. Pure.

    POLICIES --refused actions--> statements with values for the placeholders

A test keeps these policies equal to the files; docs/iam.md states the purpose of each action.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]+\b")
OBJECTS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")

Statement = dict[str, Any]


def _allow(sid: str, actions: tuple[str, ...], *resources: str) -> Statement:
    named = list(resources) if len(resources) > 1 else resources[0]
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": named}


LAKE_FILES = (
    _allow("Files", OBJECTS, "arn:aws:s3:::BUCKET/PREFIX/DATABASE/*"),
    _allow("Bucket", ("s3:ListBucket",), "arn:aws:s3:::BUCKET"),
)
GLUE = "arn:aws:glue:REGION:ACCOUNT"
TABLE_BUCKET = "arn:aws:s3tables:REGION:ACCOUNT:bucket/BUCKET"

POLICIES: Mapping[str, tuple[Statement, ...]] = {
    "plain-s3": (_allow("Files", OBJECTS[:2], "arn:aws:s3:::BUCKET/PREFIX/*"),),
    "glue": (
        *LAKE_FILES,
        _allow(
            "Catalog",
            ("glue:GetTable", "glue:UpdateTable", "glue:CreateTable", "glue:CreateDatabase"),
            f"{GLUE}:catalog",
            f"{GLUE}:database/DATABASE",
            f"{GLUE}:table/DATABASE/*",
        ),
    ),
    "s3-tables": (
        _allow(
            "Bucket",
            ("s3tables:GetTableBucket", "s3tables:CreateNamespace", "s3tables:CreateTable"),
            TABLE_BUCKET,
            f"{TABLE_BUCKET}/table/*",
        ),
        _allow(
            "Tables",
            (
                "s3tables:GetTableMetadataLocation",
                "s3tables:UpdateTableMetadataLocation",
                "s3tables:GetTableData",
                "s3tables:PutTableData",
            ),
            f"{TABLE_BUCKET}/table/*",
        ),
    ),
    "rest": LAKE_FILES,
    "inbox-mode": (
        _allow(
            "FilesAndDescriptors",
            OBJECTS[:2],
            "arn:aws:s3:::BUCKET/PREFIX/DATABASE/*/data/*",
            "arn:aws:s3:::BUCKET/PREFIX/DATABASE/*/inbox/*",
        ),
    ),
    "inbox-apart": (
        _allow("Inbox", OBJECTS, "arn:aws:s3:::INBOX_BUCKET/INBOX_PREFIX/DATABASE/*"),
        _allow("InboxBucket", ("s3:ListBucket",), "arn:aws:s3:::INBOX_BUCKET"),
    ),
}


def actions_of(policy: str) -> set[str]:
    """Return all actions that a policy allows; none for an unknown policy."""
    return {action for one in POLICIES.get(policy, ()) for action in one["Action"]}


def statements_for(
    policy: str, actions: Collection[str], values: Mapping[str, str]
) -> tuple[Statement, ...]:
    """Return the statements of a policy that allow one of the actions.

    Args:
        policy: one of `POLICIES`; an unknown policy has no statements.
        actions: the refused actions.
        values: values for the placeholders. A placeholder without a value stays; an empty folder
            is removed.
    """
    return tuple(
        {**one, "Resource": _filled(one["Resource"], values)}
        for one in POLICIES.get(policy, ())
        if set(one["Action"]) & set(actions)
    )


def _filled(resource: str | list[str], values: Mapping[str, str]) -> str | list[str]:
    if isinstance(resource, list):
        return [str(_filled(one, values)) for one in resource]
    ready = PLACEHOLDER.sub(lambda found: values.get(found[0], found[0]), resource)
    head, slash, path = ready.partition("/")
    ready = head + slash + re.sub(r"/{2,}", "/", path).lstrip("/")
    return ready.replace("arn:aws:", f"arn:{values.get('partition', 'aws')}:", 1)

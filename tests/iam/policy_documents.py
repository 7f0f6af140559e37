"""The policies of docs/iam as users attach them: filled in, and with one action less.

document() --filled()--> ready to attach --without(action)--> to see what that action is for
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parents[2] / "docs" / "iam"
VERSION = "2012-10-17"
PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]+\b")

Policy = dict[str, Any]


def document(name: str) -> Policy:
    """Read a policy, placeholders and all."""
    found: Policy = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def actions(policy: Policy) -> list[str]:
    """Return what a policy allows, in order."""
    return [action for statement in policy["Statement"] for action in statement["Action"]]


def filled(policy: Policy, values: Mapping[str, str]) -> Policy:
    """Put values in the place of placeholders, each of which must have one."""
    statements = []
    for statement in policy["Statement"]:
        named = statement["Resource"]
        resources = named if isinstance(named, list) else [named]
        ready = [PLACEHOLDER.sub(lambda found: values[found[0]], r) for r in resources]
        statements.append({**statement, "Resource": ready})
    return {"Version": VERSION, "Statement": statements}


def without(policy: Policy, action: str) -> Policy:
    """Take one action out."""
    statements = [
        {**statement, "Action": [a for a in statement["Action"] if a != action]}
        for statement in policy["Statement"]
    ]
    return {"Version": VERSION, "Statement": [s for s in statements if s["Action"]]}


def together(*policies: Policy) -> Policy:
    """Return what a role may do that has several policies."""
    return {"Version": VERSION, "Statement": [s for p in policies for s in p["Statement"]]}

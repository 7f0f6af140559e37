"""Errors of commits."""

from __future__ import annotations


class CommitError(Exception):
    """The files are not visible; they stay where they are, and so do their descriptors.

    Attributes:
        lacks: the IAM actions of which the role lacks one, if that is the cause.
    """

    lacks: tuple[str, ...] = ()


class ConflictError(CommitError):
    """The compare-and-swap lost to other writers on every allowed attempt."""

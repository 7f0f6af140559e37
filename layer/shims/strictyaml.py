"""Stands in for the package `strictyaml`, with which PyIceberg reads a `.pyiceberg.yaml`."""

from typing import NoReturn


def load(_text: str) -> NoReturn:
    """Refuse.

    Raises:
        NotImplementedError: with what to do instead.
    """
    raise NotImplementedError(
        ".pyiceberg.yaml is not read in a Lambda function: "
        "set PYICEBERG_CATALOG__<NAME>__<PROPERTY> variables instead"
    )

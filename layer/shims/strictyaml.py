"""Replaces the package `strictyaml`, with which PyIceberg reads a `.pyiceberg.yaml`."""

from typing import NoReturn


def load(_text: str) -> NoReturn:
    """Refuse to read the file.

    Raises:
        NotImplementedError: the message names the alternative.
    """
    raise NotImplementedError(
        ".pyiceberg.yaml is not read in a Lambda function: "
        "set PYICEBERG_CATALOG__<NAME>__<PROPERTY> variables instead"
    )

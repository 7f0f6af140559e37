"""Stands in for Python's `pydoc`: the one function pyarrow.compute can ask for."""


def getdoc(documented: object) -> str:
    """Return a docstring; its indentation stays as it is."""
    return documented.__doc__ or ""

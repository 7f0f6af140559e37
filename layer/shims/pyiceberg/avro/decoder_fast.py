"""Stands in for PyIceberg's C extension, which has no build for this interpreter yet.

It is PyIceberg's own fallback; only the warning that it is used, on the function's standard error,
is saved.
"""

from pyiceberg.avro.decoder import StreamingBinaryDecoder as CythonBinaryDecoder

__all__ = ["CythonBinaryDecoder"]

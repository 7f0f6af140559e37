"""Replaces PyIceberg's C extension, which has no build for this interpreter yet.

It uses PyIceberg's own fallback, but without the warning on the function's standard error.
"""

from pyiceberg.avro.decoder import StreamingBinaryDecoder as CythonBinaryDecoder

__all__ = ["CythonBinaryDecoder"]

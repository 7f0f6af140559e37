"""The encoded forms of a secret: in base64, in each alignment, and in hexadecimal digits.

    s3cret --coded--> czNjcmV, MzY3Jld, zM2NyZX, 733363726574, …

Pure; imported only for messages that may contain such forms.
"""

from __future__ import annotations

from binascii import b2a_base64

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_UNRESERVED = frozenset(f"{_LETTERS}0123456789-._~")


def coded(secret: str) -> set[str]:
    """Return a secret in hexadecimal digits, and in base64 for each alignment."""
    data = secret.encode("utf-8", "replace")
    forms = (data, _percent_encoded(data), _in_json(secret))
    once = {core for form in forms for core in _cores(form)}
    twice = {core for form in _cores(data) for core in _cores(form.encode())}
    return {data.hex(), data.hex().upper()} | once | twice


def _percent_encoded(data: bytes) -> bytes:
    parts = (c if (c := chr(byte)) in _UNRESERVED else f"%{byte:02X}" for byte in data)
    return "".join(parts).encode()


def _in_json(text: str) -> bytes:
    """Return a text as JSON in ASCII writes it."""
    found = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            found.append(f"\\{char}")
        elif " " <= char <= "~":
            found.append(char)
        elif code < 0x10000:
            found.append(f"\\u{code:04x}")
        else:
            high, low = 0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code & 0x3FF)
            found.append(f"\\u{high:04x}\\u{low:04x}")
    return "".join(found).encode()


def _cores(data: bytes) -> set[str]:
    """Return the digits of base64, in both alphabets, that depend only on these bytes."""
    found = set()
    for shift, foreign in enumerate((0, 2, 3)):
        text = b2a_base64(b"\0" * shift + data, newline=False).decode().rstrip("=")
        text = text[foreign : len(text) - ((shift + len(data)) % 3 != 0)]
        found |= {text, text.replace("+", "-").replace("/", "_")}
    return found

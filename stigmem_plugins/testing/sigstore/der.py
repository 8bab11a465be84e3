"""The few DER encodings that neither `cryptography` nor sigstore writes."""

from __future__ import annotations

from cryptography.x509 import ObjectIdentifier

SEQUENCE = 0x30
SET = 0x31
OCTET_STRING = 0x04
UTF8_STRING = 0x0C
GENERALIZED_TIME = 0x18
NULL = b"\x05\x00"

_LONG_FORM = 0x80  # lengths from here on are written as a count of bytes and the bytes


def encode(tag: int, *contents: bytes) -> bytes:
    """Write one element: its tag, its length, and `contents` joined."""
    content = b"".join(contents)
    size = len(content)
    if size < _LONG_FORM:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM | len(length)]) + length + content


def integer(value: int) -> bytes:
    """Write an INTEGER."""
    bits = (~value if value < 0 else value).bit_length()
    return encode(0x02, value.to_bytes(bits // 8 + 1, "big", signed=True))


def object_identifier(oid: ObjectIdentifier) -> bytes:
    """Write an OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in oid.dotted_string.split("."))
    return encode(0x06, *(_base_128(arc) for arc in (first * 40 + second, *rest)))


def _base_128(arc: int) -> bytes:
    """Seven bits a byte; all bytes but the last have the eighth bit set."""
    last = bytes([arc & 0x7F])
    arc >>= 7
    while arc:
        last = bytes([arc & 0x7F | 0x80]) + last
        arc >>= 7
    return last

"""Makes a private store keep other bytes than it was given, without its knowing: what a failing disk does."""

from __future__ import annotations

import re
from pathlib import Path


def decay(folder: Path, before: bytes, after: bytes) -> None:
    """Change an object's bytes under the feet of the store in `folder`; its record, ETag and checksum say nothing."""
    assert len(before) == len(after)
    copies = 0  # of what was written twice the older one may still lie there
    for volume in folder.rglob("*.dat"):
        content = volume.read_bytes()
        with volume.open("r+b") as file:
            for found in re.finditer(re.escape(before), content):
                checksum = content.index(_crc32c(before), found.end())
                for place, what in ((found.start(), after), (checksum, _crc32c(after))):
                    file.seek(place)
                    file.write(what)
                copies += 1
    assert copies, "no volume holds these bytes"


def _crc32c(content: bytes) -> bytes:
    """Return the checksum that the store keeps beside each piece (Castagnoli's polynomial, RFC 3720 B.4)."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return (value ^ 0xFFFFFFFF).to_bytes(4, "big")

"""How large an object can be: what every store of this protocol refuses, said before anything is sent."""

from __future__ import annotations

from typing import Final

PARTS_MAX: Final = 10_000
OBJECT_BYTES_MAX: Final = 5 * 2**40


def too_large(size: int, part_bytes: int) -> str | None:
    """Say why so many bytes cannot be one object that is sent in parts of this size, or None when they can."""
    if size > part_bytes * PARTS_MAX:
        return f"it has more than {PARTS_MAX:,} parts of {part_bytes:,} bytes"
    if size > OBJECT_BYTES_MAX:
        return f"an object has at most {OBJECT_BYTES_MAX:,} bytes"
    return None

"""Turns a file's path into an object's key and back, byte for byte; most keys are simply the path."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

RESERVED: Final = ".dcshift/"
"""Keys below it are ours: the manifest, and files whose names cannot be keys."""
MANIFEST: Final = f"{RESERVED}manifest.jsonl"
CLAIM: Final = f"{RESERVED}files.json"
"""Whose copy a bucket holds, in which turn, how far."""
HANDED_OVER: Final = f"{RESERVED}handed-over"
"""Written when the source's last pass was made; what is newer in the bucket was written by the target."""
_ENCODED: Final = f"{RESERVED}names/"
_KEY_BYTES_MAX: Final = 1024


def key_of(path: bytes) -> str:
    """Return the key of a path relative to the tree.

    A path that stores refuse or change (not UTF-8, a control character, a backslash, an empty or dotted segment, our
    own prefix) is percent-encoded below the reserved prefix. Raises `ValueError` when even that is too long.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        text = ""
    # No normalisation: names that differ only in NFC and NFD are two files, and stay two objects.
    if text and _is_plain(text) and len(path) <= _KEY_BYTES_MAX:
        return text
    key = _ENCODED + quote_from_bytes(path, safe="")
    if len(key) > _KEY_BYTES_MAX:
        raise ValueError(f"a name of {len(path)} bytes cannot be an object's key")
    return key


def is_nameable(path: bytes) -> bool:
    """Say whether a path can be a key at all."""
    try:
        key_of(path)
    except ValueError:
        return False
    return True


def path_of(key: str) -> bytes | None:
    """Return the path of a key, or None when the object is no file of the tree."""
    if key.startswith(_ENCODED):
        return unquote_to_bytes(key.removeprefix(_ENCODED))
    return None if key.startswith(RESERVED) else key.encode()


def shown(path: bytes) -> str:
    """Return a path for people, with what is not text escaped."""
    return path.decode(errors="backslashreplace")


def _is_plain(text: str) -> bool:
    segments = text.split("/")
    odd = any(ord(character) < 32 or character in "\x7f\\" for character in text)
    return not odd and not text.startswith(RESERVED) and not any(segment in ("", ".", "..") for segment in segments)

"""What a person reads on a page, and whether two pages say the same; it fetches nothing."""

from __future__ import annotations

import hashlib
from html.parser import HTMLParser
from itertools import zip_longest
from typing import Final

_UNREAD: Final = frozenset({"script", "style", "template", "noscript"})
_WORDS_SHOWN: Final = 8


class _Reader(HTMLParser):
    """Collects text that is shown; attributes (tokens, addresses of assets) are not text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += tag in _UNREAD

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in _UNREAD and self._unread > 0

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.words += data.split()


def visible_text(html: str) -> str:
    """Return the words of a page as a user reads them, one space between two."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return " ".join(reader.words)


def text_hash(text: str) -> str:
    """Return the SHA-256 of a page's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def first_difference(source: str, target: str) -> str:
    """Return where two texts part, as a few words of each; empty when they are equal."""
    before, after = source.split(), target.split()
    for index, (one, other) in enumerate(zip_longest(before, after)):
        if one != other:
            shown = [" ".join(words[index : index + _WORDS_SHOWN]) or "(end)" for words in (before, after)]
            return f"from word {index + 1} on: source says {shown[0]!r}, target says {shown[1]!r}"
    return ""

"""Says whether two servers describe one object alike: definitions are compared word for word, as a stream of tokens.

Servers write one definition in slightly different words, and a definition that is printed and read again changes, too.
Only what is known to differ is overlooked:
- spaces and line breaks;
- casts to `text` and `character varying` without a length, and brackets that then hold one term alone:
  `(ARRAY['a'::character varying])::text[]` comes back as `ARRAY[('a'::character varying)::text]`;
- the table before a column, where one side writes it and the other does not (13 does so in views, 16 and later do not).
Every number, word, operator and other bracket counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

_TOKEN = re.compile(
    r"""[EBX]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'  # constants
    |(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)(?:\.(?:"(?:[^"]|"")*"|[^\W\d][\w$]*))*  # names, qualified or not
    |\d+(?:\.\d+)?(?:e[+-]?\d+)?
    |::|[-+*/<>=~!@#%^&|`?]+|\S""",
    re.VERBOSE,
)
_NAME = re.compile(r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)')
_TEXT_TYPES = (("text",), ("character", "varying"))
# After these words a bracket holds a term; after any other name it holds the arguments of a function or a type.
_WORDS_BEFORE_A_TERM = re.compile(
    "AND|OR|NOT|CASE|WHEN|THEN|ELSE|CHECK|WHERE|ON|USING|HAVING|SELECT|DISTINCT|RETURN|BETWEEN|I?LIKE|IS|IN|FROM|AS|BY"
    "|default"
)
_CLOSING = {"(": ")", "[": "]"}
Tokens = tuple[str, ...]


def tokens(description: str) -> Tokens:
    """Return what counts in a description, in its order."""
    return tuple(_flat(_reduced(_tree(iter(_without_text_casts(_TOKEN.findall(description)))))))


def alike(one: Tokens, other: Tokens) -> bool:
    """Say whether two descriptions are equal but for qualifiers that one of them leaves out."""
    return len(one) == len(other) and all(
        a == b or _is_end_of(a, b) or _is_end_of(b, a) for a, b in zip(one, other, strict=True)
    )


def _is_end_of(short: str, long: str) -> bool:
    return long.endswith(f".{short}") and _NAME.fullmatch(short) is not None and _NAME.match(long) is not None


def _without_text_casts(words: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(words):
        end = _end_of_text_cast(words, at)
        if end == at:
            yield words[at]
            end = at + 1
        at = end


def _end_of_text_cast(words: Sequence[str], at: int) -> int:
    """Return where a cast to text that begins here ends, or `at` when none does; with a length it is no such cast."""
    if words[at] != "::":
        return at
    for kind in _TEXT_TYPES:
        end = at + 1 + len(kind)
        if tuple(words[at + 1 : end]) == kind and (end == len(words) or words[end] != "("):
            return end + 2 if tuple(words[end : end + 2]) == ("[", "]") else end
    return at


_Node: TypeAlias = "str | tuple[str, list[_Node]]"


def _tree(words: Iterator[str], closing: str = "") -> list[_Node]:
    """Read words up to the closing bracket; one that is not closed, as in a comment, ends with the text."""
    found: list[_Node] = []
    for word in words:
        if word == closing:
            break
        found.append((word, _tree(words, _CLOSING[word])) if word in _CLOSING else word)
    return found


def _reduced(nodes: list[_Node]) -> list[_Node]:
    """Take away brackets that hold one term alone."""
    found: list[_Node] = []
    for node in nodes:
        if isinstance(node, str):
            found.append(node)
            continue
        bracket, inside = node[0], _reduced(node[1])
        if bracket == "(" and not _takes_arguments(found) and _is_one_term(inside):
            found.extend(inside)
        else:
            found.append((bracket, inside))
    return found


def _takes_arguments(before: list[_Node]) -> bool:
    last = before[-1] if before else ""
    return isinstance(last, str) and _NAME.match(last) is not None and not _WORDS_BEFORE_A_TERM.fullmatch(last)


def _is_one_term(nodes: list[_Node]) -> bool:
    """Say whether these are a name, a constant, a call, an array, or one bracket."""
    if len(nodes) == 1:
        return True
    name, *rest = nodes
    return isinstance(name, str) and _NAME.match(name) is not None and len(rest) == 1 and not isinstance(rest[0], str)


def _flat(nodes: list[_Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
        else:
            yield node[0]
            yield from _flat(node[1])
            yield _CLOSING[node[0]]

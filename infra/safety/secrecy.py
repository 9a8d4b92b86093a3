"""Finds what lies in a state in clear and should not; pure, and it never repeats a value that it found.

A state is read by whoever may read the backend. Ours shall hold no secret at all, encrypted or not: this looks for the
ones that came in by accident, by where they stand and by how they look.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.errors import InfraError
from infra.hiding import CALLED, LOGIN

Document = Mapping[str, Any]
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""How the engine marks a value of its own kinds; a secret has `ciphertext` beside it, in clear `plaintext`."""
_LOOKS: Final = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a signed token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")),
    ("a login in an address", LOGIN),
)
_WORD: Final = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_BITS_MIN: Final = 4.0
"""Entropy of a letter, in bits: as much as hexadecimal digits can have at most, and more than words of people have."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One value in clear: where it stands and why it is taken for a secret."""

    urn: str
    path: str
    why: str

    def __str__(self) -> str:
        return f"{'::'.join(self.urn.split('::')[-2:])} {self.path}: {self.why}"


def leaks(export: Document) -> Iterator[Leak]:
    """Yield every value of an exported state that is a secret in clear, or looks like one."""
    for resource in (export.get("deployment") or {}).get("resources") or []:
        for part in ("inputs", "outputs"):
            values = resource.get(part) or {}
            for path, why in _in_resource(values):
                yield Leak(str(resource["urn"]), ".".join((part, *path)), why)


def refuse(stack: str, found: Iterable[Leak]) -> None:
    """Raise `InfraError` (`secret-in-state`) that names where each lies."""
    every = list(found)
    if every:
        raise InfraError(
            "secret-in-state",
            what=f"the state of stack {stack} holds {len(every)} value(s) in clear that look like secrets",
            why="\n         ".join(map(str, every)),
            state="nothing was written; whoever read the backend may know them",
            next="take them out of the program, `pulumi up`, then change them where they are used; docs/safety.md",
        )


def _in_resource(values: Document) -> Iterator[tuple[tuple[str, ...], str]]:
    if values.get("kind") == "Secret":
        for field in ("data", "stringData"):
            given = values.get(field) or {}
            if isinstance(given, Mapping) and SIGNATURE not in given:
                yield from (((field, key), "a value of a Secret") for key, each in given.items() if _clear(each))
        values = {key: value for key, value in values.items() if key not in ("data", "stringData")}
    yield from _in(values, ())


def _in(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            if "plaintext" in value:
                yield path, "a secret that the engine was told to show"
            return
        # One variable of a container: what it is stands in `name`, and the value beside it.
        if isinstance(value.get("name"), str) and CALLED.search(value["name"]) and _clear(value.get("value")):
            yield (*path, "value"), f"{value['name']} is called a secret"
        for key, each in value.items():
            if CALLED.search(str(key)) and _clear(each):
                yield (*path, str(key)), "it is called a secret"
            else:
                yield from _in(each, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _in(each, (*path, str(number)))
    elif isinstance(value, str) and (why := looks_like(value)):
        yield path, why


def _clear(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def looks_like(text: str) -> str | None:
    """Return what kind of secret a text looks like; None for what people write."""
    for why, pattern in _LOOKS:
        if pattern.search(text):
            return why
    if any(_random(word) for word in _WORD.findall(text)):
        return "it looks random"
    return None


def _random(word: str) -> bool:
    """Return whether a word has letters of both kinds and digits, and says more a letter than language does."""
    if not (re.search("[a-z]", word) and re.search("[A-Z]", word) and re.search("[0-9]", word)):
        return False
    counts = Counter(word)
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values()) >= _BITS_MIN

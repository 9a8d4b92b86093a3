"""Every key that a stack may be told, what it may be and what it is otherwise; it knows no catalogue and no file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pulumi.runtime import config as pulumi_config

from infra import order, values
from infra.errors import SettingFault, SettingsError

PREFIX: Final = "dcshift:"
INSTANCES_MAX: Final = 9
"""More than any level asks for: a tenth copy is a slip of the pen."""
_SHOWN_CHARACTERS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Key:
    """One key: how people are told what it may be, and whether a value is that."""

    kind: Literal["text", "number", "yes/no"]
    allowed: str
    """Ends the sentence "it must be …"."""
    right: Callable[[str], bool]
    default: str | None = None
    """None: there is none, or the catalogue decides."""


def _one_of(*words: str, default: str | None = None) -> Key:
    return Key("text", f"one of {', '.join(words)}", frozenset(words).__contains__, default)


def _yes_or_no() -> Key:
    return Key("yes/no", "true or false", frozenset(("true", "false")).__contains__)


def _image(default: str) -> Key:
    allowed = "a tag that is not latest, or sha256: and 64 hexadecimal digits"
    return Key("text", allowed, lambda given: values.is_tag(given) or values.is_digest(given), default)


def _namespace(default: str | None = None) -> Key:
    return Key("text", "a namespace's name: small letters, digits and hyphens, 63 at most", values.is_label, default)


def _folder(default: str) -> Key:
    return Key("text", "a node's folder, an absolute path of two names or more", values.is_folder, default)


KEYS: Final[Mapping[str, Key]] = {
    "layer": _one_of(*order.LAYERS),
    "system": Key("text", "the id of a system of the catalogue", values.is_label),
    "registry": Key(
        "text",
        "a host, with its port and a path if there are any, such as registry.example.vn/dcshift",
        values.is_registry,
    ),
    "apiServer": Key(
        "text", "an IPv4 address and a port (a network policy knows addresses only): 10.0.0.10:6443", values.is_endpoint
    ),
    "edgeNamespace": _namespace("dcshift-edge"),
    "operatorNamespace": _namespace("cnpg-system"),
    "databaseInstances": Key(
        "number", f"a number from 1 to {INSTANCES_MAX}", lambda given: values.is_within(given, 1, INSTANCES_MAX)
    ),
    "postgresTag": Key("text", "a tag that is not latest", values.is_tag),
    "dataMayBeDestroyed": _yes_or_no(),
    "seededFrom": Key(
        "text",
        "systems with the server (IPv4 address and port) that each one's database begins from: portal=10.0.0.7:5433",
        values.is_seeds,
    ),
    "auditLog": _folder("/var/log/kubernetes/audit"),
    "podLogs": _folder("/var/log/pods"),
    "agentState": _folder("/var/lib/dcshift-log-agent"),
    "rsyslogImage": _image("8"),
    "pgbouncerImage": _image("1"),
    "prometheusImage": _image("2"),
    "alertmanagerImage": _image("0"),
    "alertWebhook": Key(
        "text",
        "http(s)://IPv4-ADDRESS:PORT/PATH without login and query: secrets do not belong in a stack's settings",
        values.is_webhook,
    ),
    "stateMetricsNamespace": _namespace(),
    "runbooks": Key(
        "text",
        "a folder or an address (https://…) of letters, digits and ._~:/%-, without login and query",
        values.is_place_to_read,
        "docs/runbooks",
    ),
    "release": Key(
        "text", "a release's name, which is a tag in a lab: letters, digits and ._-, not latest", values.is_tag
    ),
    "image": Key(
        "text", "a release and its digest: 8.0.1@sha256: and 64 hexadecimal digits", values.is_release_and_digest
    ),
    "serves": _one_of("source", "target", default="source"),
    "migrate": _yes_or_no(),
}
"""By name without the prefix; docs/own-centre.md has each with its meaning."""


def told() -> dict[str, str]:
    """Return what the engine tells this stack, by key without the prefix, with defaults. Raises `SettingsError`."""
    found = {}
    # The engine hands all of it over at once, or the process has it in its environment: unknown keys stand there too.
    for name in sorted({*pulumi_config.CONFIG.get(), *pulumi_config.get_config_env(), *(PREFIX + key for key in KEYS)}):
        if name.startswith(PREFIX) and (value := pulumi_config.get_config(name)) is not None:
            found[name.removeprefix(PREFIX)] = str(value)
    if wrong := faults(found):
        raise SettingsError(wrong)
    return {key: of.default for key, of in KEYS.items() if of.default is not None} | found


def refuse_another(stack: str, told: Mapping[str, str]) -> None:
    """Refuse settings that a stack's name contradicts, as copied ones may: what it has would be deleted.

    Raises `SettingsError`.
    """
    named = order.layer(stack)
    own = {"layer": named, **({"system": order.system(stack)} if named == "ground" else {})}
    found = [
        SettingFault(key, told[key], f"dcshift:{key} is {told[key]!r}, and a stack called {stack} is of {key} {value}")
        for key, value in own.items()
        if named != "system" and told.get(key, value) != value
    ]
    if found:
        raise SettingsError(found)


def faults(given: Mapping[str, str]) -> list[SettingFault]:
    """Return what is wrong with each of these settings by itself, with what is allowed."""
    found = []
    for name, value in given.items():
        if name not in KEYS:
            shown = name if re.fullmatch(r"[A-Za-z0-9._-]{1,60}", name) else _cut(repr(name))
            sentence = f"{PREFIX}{shown} is not a key that a stack has; the nearest is {PREFIX}{nearest(name)}"
        elif not KEYS[name].right(value):
            sentence = f"{PREFIX}{name} is {_shown(name, value)}; it must be {KEYS[name].allowed}"
        else:
            continue
        found.append(SettingFault(name, value, sentence))
    return found


def nearest(name: str) -> str:
    """Return the key that is written most like this."""
    by_small = {key.lower(): key for key in KEYS}
    return by_small[difflib.get_close_matches(name.lower(), list(by_small), n=1, cutoff=0)[0]]


def _shown(name: str, value: str) -> str:
    # What looks like a login or a token is told by its key alone: this sentence ends in logs.
    if name != "image" and any(sign in value for sign in "@?"):
        return "a value with a login or a query"
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"

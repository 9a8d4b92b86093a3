"""What somebody else changed in an object since it was applied; pure, over three documents of the API server."""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import Final

from standin.values import Json

_SERVERS_OWN: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
_AMOUNTS: Final = (
    "default",
    "defaultRequest",
    "hard",
    "limits",
    "max",
    "min",
    "requests",
    "size",
    "sizeLimit",
    "storage",
)
_AMOUNT: Final = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")
_SUFFIXES: Final[dict[str | None, Decimal]] = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGT", start=1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGT", start=1)},
}
_ELEMENT_KEYS: Final = ("name", "key", "type", "containerPort", "port", "mountPath")


def declared(live: dict[str, Json]) -> dict[str, Json]:
    """Return a live object without what the server fills in by itself: what an import begins with."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in _SERVERS_OWN}
    rest = {key: value for key, value in live.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


def drifted(inputs: Json, live: Json, applied: Json, *, amounts: bool = False) -> Json:
    """Return `inputs` with the live value in every field that applying them again would change.

    `applied` is the server's answer to a dry run of that apply. Where both agree nothing drifted, whatever else the
    object holds: defaults, other managers' fields, quantities written another way. `amounts`: these are quantities,
    which a webhook may write another way (`2000m` as `2`) where the server itself would not.
    """
    if live == applied or (amounts and _same_amount(inputs, live)):
        return inputs
    if isinstance(inputs, dict) and isinstance(live, dict) and isinstance(applied, dict):
        return {
            key: drifted(value, live.get(key), applied.get(key), amounts=amounts or key in _AMOUNTS)
            for key, value in inputs.items()
            if key in live or key not in applied
        }
    if isinstance(inputs, list) and isinstance(live, list) and isinstance(applied, list):
        return _drifted_list(inputs, live, applied)
    return live


def _same_amount(one: Json, other: Json) -> bool:
    amounts = [_AMOUNT.match(value) if isinstance(value, str) else None for value in (one, other)]
    sizes = [Decimal(found[1]) * _SUFFIXES[found[2]] for found in amounts if found]
    return len(sizes) == 2 and sizes[0] == sizes[1]


def _drifted_list(inputs: list[Json], live: list[Json], applied: list[Json]) -> list[Json]:
    key = next((key for key in _ELEMENT_KEYS if _all_have(key, inputs) and _all_have(key, live)), None)
    if key is None or not _all_have(key, applied):
        return live
    live_by, applied_by = ({item[key]: item for item in items} for items in (live, applied))
    kept = [drifted(item, live_by[item[key]], applied_by.get(item[key])) for item in inputs if item[key] in live_by]
    # In a list that is owned as a whole, an element that applying would remove is drift too.
    return kept + [item for name, item in live_by.items() if name not in applied_by]


def _all_have(key: str, items: list[Json]) -> bool:
    return bool(items) and all(isinstance(item, dict) and key in item for item in items)


def comparable(live: dict[str, Json]) -> dict[str, Json]:
    """Return what of an object is compared: all but status and bookkeeping, and a Secret's data as it is declared."""
    shown = declared(live)
    if shown.get("kind") == "Secret":
        shown["stringData"] = {key: _plain(value) for key, value in (shown.get("data") or {}).items()}
    return shown


def _plain(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return encoded

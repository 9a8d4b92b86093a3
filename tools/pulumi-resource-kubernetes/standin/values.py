"""Values between the engine's protobuf structs and Python; secrets never lose their mark by accident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value

Json = Any
"""A value of JSON: null, bool, int, float, str, list or dict."""

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine sends for a value that is known only after `up`."""

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  (the engine's mark of a secret, not one)
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_SECRET_FIELDS: Final = ("data", "stringData")


class UnsupportedValueError(Exception):
    """The engine sent an asset, an archive or a reference to a resource; Kubernetes has no such value."""


def decode(struct: Struct) -> dict[str, Json]:
    """Return a struct as Python values: whole floats become integers, secrets and outputs their plain values."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: Value) -> Json:
    match value.WhichOneof("kind"):
        case "number_value":
            # protobuf knows only doubles, and the API server refuses 8000.0 where it wants an integer.
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "struct_value":
            return _decode_struct(value.struct_value)
        case _:
            return None


def _decode_struct(struct: Struct) -> Json:
    if _SIGNATURE not in struct.fields:
        return decode(struct)
    signature = struct.fields[_SIGNATURE].string_value
    if signature == _SECRET:
        return _decode(struct.fields["value"])
    if signature == _OUTPUT:
        return _decode(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
    raise UnsupportedValueError("assets, archives and references to resources cannot be part of a Kubernetes object")


def encode(values: Mapping[str, Json]) -> Struct:
    """Return Python values as a struct; nulls are left out, as the engine does."""
    struct = Struct()
    for key, value in values.items():
        if value is not None:
            struct.fields[key].CopyFrom(_encode(value))
    return struct


def _encode(value: Json) -> Value:
    if value is None:
        return Value(null_value=0)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=float(value))
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, list):
        return Value(list_value=ListValue(values=[_encode(item) for item in value]))
    return Value(struct_value=encode(value))


def with_secrets_marked(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return an object of kind Secret with its data marked, so that the engine encrypts it in any case."""
    if values.get("kind") != "Secret":
        return dict(values)
    return {key: secret(value) if key in _SECRET_FIELDS and value else value for key, value in values.items()}


def secret(value: Json) -> dict[str, Json]:
    """Return a value wrapped so that the engine keeps it encrypted."""
    return {_SIGNATURE: _SECRET, "value": value}


def has_unknown(value: Json) -> bool:
    """Return whether any part of a value is known only after `up`."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def without_nulls(value: Json) -> Json:
    """Return a value without nulls in objects: to server-side apply a null would be a claim on the field."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value

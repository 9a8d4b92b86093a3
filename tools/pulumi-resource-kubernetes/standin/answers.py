"""Answers in the engine's own form; pure: what to answer is decided elsewhere."""

from __future__ import annotations

import grpc
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2

from standin.difference import FieldChange
from standin.objects import Request, object_id
from standin.values import Json, encode, with_secrets_marked

_Kinds = provider_pb2.PropertyDiff


def not_ready_answer(asked: Request, state: dict[str, Json], reasons: list[str]) -> status_pb2.Status:
    """Return the error that says: the object exists, keep it in the state, and wait for it again next time."""
    status = status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0],
        message=f"{asked.kind.name} {object_id(asked.inputs)} did not become ready",
    )
    detail = provider_pb2.ErrorResourceInitFailed(
        id=object_id(asked.inputs),
        properties=encode(with_secrets_marked(state)),
        reasons=reasons,
        inputs=encode(with_secrets_marked(asked.inputs)),
    )
    status.details.add().Pack(detail)
    return status


def diff_answer(found: list[FieldChange]) -> provider_pb2.DiffResponse:
    """Return the engine's form of a list of changes; pure."""
    codes = {
        ("add", False): _Kinds.ADD,
        ("add", True): _Kinds.ADD_REPLACE,
        ("delete", False): _Kinds.DELETE,
        ("delete", True): _Kinds.DELETE_REPLACE,
        ("update", False): _Kinds.UPDATE,
        ("update", True): _Kinds.UPDATE_REPLACE,
    }
    renamed = any(change.path[:2] in (("metadata", "name"), ("metadata", "namespace")) for change in found)
    replaces = [change.text for change in found if change.replaces]
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
        replaces=replaces,
        # Two objects cannot have one name: without a new name the present one must go first.
        deleteBeforeReplace=bool(replaces) and not renamed,
        diffs=sorted({str(change.path[0]) for change in found if change.path}),
        hasDetailedDiff=True,
        detailedDiff={
            change.text: provider_pb2.PropertyDiff(kind=codes[change.change, change.replaces], inputDiff=True)
            for change in found
        },
    )

"""What citizens met during the move, as their load generator counted it: the shape that the report takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_Count = Annotated[int, Field(ge=0)]
_FAULTS_MAX = 5


class _Shape(BaseModel):
    # What is counted besides is kept and shown in the document: a newer generator may count more.
    model_config = ConfigDict(extra="allow", allow_inf_nan=False, strict=True)


class Met(_Shape):
    """What the citizens of one system met."""

    requests: _Count
    failed: _Count
    held: _Count | None = None
    slowest_seconds: Annotated[float, Field(ge=0)] | None = None


class Statistics(_Shape):
    """The statistics file of `dcshift lab traffic`."""

    systems: dict[str, Met]


def statistics(text: bytes) -> dict[str, object]:
    """Return the statistics that a file holds; raises `ValueError` with a sentence that names every wrong field."""
    try:
        return Statistics.model_validate_json(text).model_dump(mode="json", exclude_unset=True)
    except ValidationError as bad:
        faults = [f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in bad.errors()]
        more = f"; and {len(faults) - _FAULTS_MAX} more" if len(faults) > _FAULTS_MAX else ""
        raise ValueError("; ".join(faults[:_FAULTS_MAX]) + more) from bad

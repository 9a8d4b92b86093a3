"""Who claims which field of which object, over all stacks and those who write beside them; two claims are a conflict.

Pure, and before anything is applied: the API server refuses the second claim only in the middle of a run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra import labels
from infra.errors import InfraError
from infra.render.declared import Built, Declared
from infra.safety import operators

AUTOSCALER: Final = "the autoscaler"
MIGRATION: Final = "the migration (dcshift-migrator)"
AGREED: Final[Mapping[tuple[str, str], str]] = {
    ("CronJob", "spec.suspend"): "the migration arms jobs in the night; the stack says the same from `serves` on, and "
    "until then the API server refuses it, so that a stack which was not told disarms nothing",
    ("StatefulSet", "spec.replicas"): "likewise: the migration starts workers in the night",
}
"""Fields that one stack and the migration write on purpose, by kind and field, each with its reason."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One field of one object, and who means to set it."""

    object: str
    field: str
    who: str


def claims(stacks: Sequence[Built]) -> Iterator[Claim]:
    """Yield every claim: of each resource, and of those who write to what we declare."""
    for built in stacks:
        for each in built.objects:
            about = _object(each)
            said = {key: value for key, value in each.inputs.items() if key not in ("apiVersion", "kind")}
            for field in _fields(said, ""):
                yield Claim(about, field, f"{each.name} of stack {built.stack}")
            yield from _beside(each, about)


def conflicts(stacks: Sequence[Built]) -> Iterator[str]:
    """Yield a sentence for each field that more than one claims, the whole around it counted, and nobody agreed to."""
    by_object: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims(stacks):
        by_object[claim.object].append(claim)
    for about, found in by_object.items():
        if len({claim.who for claim in found}) == 1:
            continue
        by_field: dict[str, set[str]] = defaultdict(set)
        for claim in found:
            by_field[claim.field].add(claim.who)
        for field in sorted(by_field):
            who = set().union(*(by_field.get(each, ()) for each in (field, *_around(field))))
            agreed = (about.partition(" ")[0], field) in AGREED
            if len(who - {MIGRATION} if agreed else who) > 1:
                yield f"{about} {field}: {' and '.join(sorted(who))}"


def refuse(stacks: Sequence[Built]) -> None:
    """Raise `InfraError` (`field-claimed-twice`) with every conflict."""
    if found := list(conflicts(stacks)):
        raise InfraError(
            "field-claimed-twice",
            what=f"{len(found)} field(s) would have two owners",
            why="\n         ".join(found),
            state="nothing was written",
            next="leave the field out where the other one decides it, as the number of pods beside an autoscaler",
        )


def _around(field: str) -> Iterator[str]:
    """Yield every whole that a field is a part of."""
    yield from (field[:place] for place, sign in enumerate(field) if sign in ".[")


def _object(declared: Declared) -> str:
    # A patch speaks of the object itself.
    return f"{declared.inputs.get('kind', declared.kind)} {declared.identity.partition(' ')[2]}"


def _beside(declared: Declared, about: str) -> Iterator[Claim]:
    yield from (Claim(*each) for each in operators.written(declared, about))
    match declared.kind:
        case "HorizontalPodAutoscaler":
            goal = declared.inputs["spec"]["scaleTargetRef"]
            where = declared.inputs["metadata"]["namespace"]
            yield Claim(f"{goal['kind']} {where}/{goal['name']}", "spec.replicas", AUTOSCALER)
        case "CronJob":
            yield Claim(about, "spec.suspend", MIGRATION)
        case "StatefulSet" if declared.inputs["metadata"].get("labels", {}).get(labels.COMPONENT) == labels.WORKER:
            yield Claim(about, "spec.replicas", MIGRATION)


def _fields(value: Any, text: str) -> Iterator[str]:
    """Yield every field that names no object: name and namespace are whose claim it is, and no claim."""
    for key, each in value.items():
        field = f"{text}.{key}" if text else str(key)
        if each is None or field in ("metadata.name", "metadata.namespace"):
            continue
        if isinstance(each, Mapping) and each:
            yield from _fields(each, field)
        else:
            yield field

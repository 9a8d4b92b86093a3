"""Proves both databases of a system equal, in one moment of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import psycopg

from migration.adapters import postgres
from migration.adapters.database_sessions import Sessions
from migration.adapters.postgres import Place
from migration.errors import StepFailed
from migration.model.words import Proof
from migration.movers import large_objects, link
from migration.movers.link import Connection
from migration.ports import Clock
from migration.verification.grants import prove_grants
from migration.verification.large_objects import prove_large_objects
from migration.verification.rows import Between, prove_materialised_views, prove_rows
from migration.verification.schema import prove_schema
from migration.verification.sequences import prove_sequences
from migration.verification.settings import prove_settings

_NAMES: Final = ("rows", "sequences", "large-objects", "schema", "grants", "materialised-views", "settings")
AT_ONCE: Final[AbstractContextManager[Between]] = nullcontext(lambda _: None)


def prove(
    sessions: Sessions,
    clock: Clock,
    *,
    frozen: bool,
    seconds_max: float | None,
    values: bool = False,
    pace: AbstractContextManager[Between] = AT_ONCE,
) -> Sequence[Proof]:
    """Return one proof for each kind of content; large objects that writers changed meanwhile are set aside."""
    source, target = sessions.access.places()
    return of_places(source, target, clock, frozen=frozen, seconds_max=seconds_max, values=values, pace=pace)


def of_places(
    source: Place,
    target: Place,
    clock: Clock,
    *,
    frozen: bool,
    seconds_max: float | None = None,
    values: bool = False,
    pace: AbstractContextManager[Between] = AT_ONCE,
) -> Sequence[Proof]:
    """Return the same for two databases of which the target's claim is ours, at a pace that may let the source rest."""
    try:
        with pace as between:
            between(0)  # before there is a snapshot: the longer it is held, the more it costs the source
            with postgres.moment(source, target, clock, frozen=frozen, seconds_max=seconds_max) as moment:
                changed = () if frozen else _changed_objects(source, target)
                rows = prove_rows(moment, values=values, between=between)
                between(0)
                return [
                    rows,
                    prove_sequences(moment),
                    prove_large_objects(moment, changed=changed),
                    prove_schema(moment),
                    prove_grants(moment),
                    prove_materialised_views(moment),
                    prove_settings(moment),
                ]
    except (psycopg.Error, StepFailed) as failure:
        # A check that could not run is a failure, never a silence.
        why = failure.why if isinstance(failure, StepFailed) else str(failure).strip()
        return [Proof(name, False, "the comparison could not be made", {}, (why,)) for name in _NAMES]


def _changed_objects(here: Place, there: Place) -> set[int]:
    with _session(here) as source, _session(there) as target:
        xmin = link.rows(target, "SELECT snapshot_xmin FROM dcshift.claim")[0][0]
        changed, deleted = large_objects.changed_since(source, target, int(xmin))
    return {*changed, *deleted}


def _session(place: Place) -> AbstractContextManager[Connection]:
    return link.session(place.endpoint, program=postgres.PROGRAM, silence_seconds_max=link.HOLD_SILENCE_SECONDS_MAX)

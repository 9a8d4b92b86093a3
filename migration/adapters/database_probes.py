"""How far the move of a database is, as its two sides show it; reads only."""

from __future__ import annotations

from collections.abc import Callable

from migration.adapters import database_target
from migration.model.words import Probe, ProbeState
from migration.movers import claim, identity, link, stream
from migration.movers.link import Connection


def prepared(source: Connection, target: Connection, *, owner: str, name: str) -> Probe:
    """Say whether the source can be fenced and the target keeps its application from writing."""
    if link.rows(source, "SELECT to_regprocedure('dcshift.fence(bigint)')")[0][0] is None:
        return Probe(ProbeState.NOT_DONE, "the source has no fence")
    if not database_target.is_read_only(target, owner):
        return Probe(ProbeState.NOT_DONE, "the target lets the application write")
    return Probe(ProbeState.DONE, f"{name} logs in, the fence is there, the target is read-only")


def replicated(source: Connection, target: Connection, *, system: str, name: str, at_work: Callable[[], bool]) -> Probe:
    """Say whether the target holds a complete copy that follows; `at_work` says whether a mover is."""
    phase = claim.phase(target, system)
    if phase in (claim.HANDED_OVER, claim.RETIRED):
        return Probe(ProbeState.DONE, f"the target was copied and is {phase}")
    lag = stream.lag(source, name)
    published, known = stream.tables_of("dcshift", name, source, target)
    if phase != claim.FOLLOWING or lag is None or lag.lost or not known or published != known:
        return Probe(ProbeState.NOT_DONE, "the target holds no complete copy that follows the source")
    if at_work():
        return Probe(ProbeState.NOT_DONE, "the mover is at work")
    return Probe(ProbeState.DONE, f"{len(known)} tables follow, {lag.bytes} bytes behind")


def handed_over(target: Connection, *, system: str, owner: str) -> Probe:
    """Say whether the target stands alone and lets the application write."""
    phase = claim.phase(target, system)
    if phase not in (claim.HANDED_OVER, claim.RETIRED) or database_target.is_read_only(target, owner):
        return Probe(ProbeState.NOT_DONE, f"the target is {phase or 'empty'} or read-only for the application")
    return Probe(ProbeState.DONE, "the target follows no more and lets the application write")


def retired(source: Connection, target: Connection, *, name: str) -> Probe:
    """Say whether nothing of the stream is left on either side."""
    subscription = link.rows(target, "SELECT 1 FROM pg_subscription WHERE subname = %s", (name,))
    if subscription or stream.lag(source, name) is not None or link.rows(source, identity.BEFORE):
        return Probe(ProbeState.NOT_DONE, "subscription, slot or changed identities are still there")
    return Probe(ProbeState.DONE, "no subscription, no slot; identities are as they were")

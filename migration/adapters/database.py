"""Moves the database of one system: every verb re-reads its effect from the side it changed.

The source is only ever read, fenced and marked; its rows are never written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

from migration.adapters import database_check, database_pace, database_preflight, database_proof, database_target
from migration.adapters import database_freeze as freeze
from migration.adapters import database_probes as probes
from migration.adapters.database_access import PORT, Access
from migration.adapters.database_repair import Repair
from migration.adapters.database_sessions import Sessions
from migration.errors import BlockedError, MigrationError
from migration.model.context import SystemContext
from migration.model.repair import OddRows, Repaired
from migration.model.words import Facts, Finding, Probe, ProbeState, Proof, Severity
from migration.movers import claim, identity, letting_go, limits, link, stream, throttle
from migration.movers.job import PostgresJob
from migration.movers.link import Connection
from migration.ports import Clock, Cluster, OnProgress, Playbooks, Remote, Units

_LAG_BYTES_MAX: Final = 1_048_576
_CATCH_UP_SECONDS_MAX: Final = 1_800.0
_COPY_SECONDS_MAX: Final = 24 * 3_600.0


class PostgresMove:
    """The port `DatabaseMove` for PostgreSQL by logical replication."""

    def __init__(
        self,
        context: SystemContext,
        *,
        playbooks: Playbooks,
        cluster: Cluster,
        units: Units,
        clock: Clock,
        remote: Remote | None = None,
        source_port: int = PORT,
    ) -> None:
        self._context, self._playbooks, self._units, self._clock = context, playbooks, units, clock
        self._remote = remote
        self._access = Access(context, cluster, source_port)
        self._at = Sessions(self._access)
        self._system = context.system.id
        self._unit = f"{self._system}-database"
        self._owner = context.contract.database.owner
        self._name = self._access.name

    # Checks

    def check(self) -> Sequence[Finding]:
        return database_check.check(self._at)

    # Prepare

    def prepare(self) -> Facts:
        password = self._access.make_source_password()
        self._play("prepare", {"postgres_source_password": password})
        with self._at.source() as source, self._at.target() as target:
            turn = self._at.take_turn(source)
            ended = database_target.set_read_only(target, self._owner, True)
        return {"role": self._name, "turn": turn, "target_sessions_ended": ended}

    def prepared(self) -> Probe:
        if self._access.source_password() is None:
            return Probe(ProbeState.NOT_DONE, "the migration has no role at the source")
        return self._at.ask(partial(probes.prepared, owner=self._owner, name=self._name))

    def unprepare(self) -> None:
        # The playbook takes the turn, so it comes before anything that a process whose turn is over must not do.
        self._play("rollback", {})
        with self._at.target() as target:
            database_target.set_read_only(target, self._owner, False)
        self._access.forget_source_password()

    def _play(self, playbook: str, secrets: dict[str, str]) -> None:
        facts = self._context.facts.database
        self._playbooks.run(
            playbook,
            limit=[facts.host],
            variables={
                "dcshift_system": self._system,
                "dcshift_component": "database",
                "postgres_source_database": facts.name,
                "postgres_source_owner": facts.owner,
                "postgres_source_role": self._name,
                "dcshift_token": self._context.token(),
            },
            secrets=secrets,
        )

    # Replicate

    def replicate(self, on_progress: OnProgress) -> Facts:
        with self._at.source() as source, self._at.target() as target:
            facts, contract = self._context.facts.database, self._context.contract.database
            found = list(database_preflight.of_both(source, target, facts, contract))
        if blockers := [finding for finding in found if finding.severity is Severity.BLOCKER]:
            raise BlockedError(
                "database-not-movable",
                what=f"the database of {self._system} cannot be copied as it is",
                why="; ".join(f"{finding.code}: {finding.what}" for finding in blockers),
                state="nothing was copied; the source serves",
                next=blockers[0].next,
            )
        job = self._job()
        argv = [sys.executable, "-m", "migration.movers.postgres", "--job", "-"]
        self._units.start(self._unit, argv, secrets={"job": job.as_json()}, token=job.token)
        return freeze.wait_for_unit(self._units, self._unit, self._clock, on_progress, seconds_max=_COPY_SECONDS_MAX)

    def _job(self, token: int | None = None) -> PostgresJob:
        return PostgresJob(
            system=self._system,
            token=self._context.token() if token is None else token,
            source=self._access.source(),
            target=self._access.target(),
            feed=self._access.feed(),
            owner=self._owner,
            name=self._name,
            limit_file=self._context.state_folder / throttle.FILE,
            source_limits_file=self._context.state_folder / limits.FILE,
            lag_bytes_max=_LAG_BYTES_MAX,
            catch_up_seconds_max=_CATCH_UP_SECONDS_MAX,
        )

    def replicated(self) -> Probe:
        if self._access.source_password() is None:
            return Probe(ProbeState.NOT_DONE, "the migration has no role at the source")
        return self._at.ask(self._is_replicated)

    def _is_replicated(self, source: Connection, target: Connection) -> Probe:
        def at_work() -> bool:
            return self._units.status(self._unit).state == "running"

        return probes.replicated(source, target, system=self._system, name=self._name, at_work=at_work)

    def unreplicate(self) -> None:
        prepared = self._access.source_password() is not None
        if prepared:
            with self._at.source() as source:
                self._at.take_turn(source)
        self._units.stop(self._unit)
        program = f"dcshift-mover-{self._system}"
        with self._at.target() as target:
            claim.end_sessions(target, program)
            claim.clean(target, self._system, self._owner, self._name)
            claim.leave(target)
        if not prepared:
            return
        with self._at.source() as source:
            self._at.take_turn(source)
            claim.end_sessions(source, program)
            letting_go.let_go(source, self._name, "dcshift")

    # Quiesce

    def fence(self) -> Facts:
        with self._at.source() as source, self._at.target() as target:
            return freeze.fence(source, target, self._context.token(), self._clock)

    def fenced(self) -> Probe:
        return self._at.ask_source(freeze.fenced)

    def unfence(self) -> None:
        """Open the fence without the target: it keeps our password for the source, but it may be what has failed."""
        if not self._access.knows_source():
            try:
                if self._access.source_password() is None:
                    return
            except MigrationError as unread:
                self._unfence_on_its_host(unread)
                return
        with self._at.source() as source:
            freeze.unfence(source, self._context.token())

    def _unfence_on_its_host(self, unread: MigrationError) -> None:
        if self._remote is None:
            raise unread
        facts = self._context.facts.database
        freeze.unfence_on_its_host(self._remote, facts.host, facts.name, self._context.token())

    def at_rest(self) -> Probe:
        return self._at.ask_source(lambda source: freeze.at_rest(source, self._name))

    # Cutover

    def hand_over(self) -> Facts:
        with self._at.source() as source:
            self._at.take_turn(source)
            return self._hand_over(source)

    def _hand_over(self, source: Connection) -> Facts:
        job = self._job()
        with self._at.target() as target:
            if claim.phase(target, self._system) == claim.HANDED_OVER:
                database_target.set_read_only(target, self._owner, False)
                return {"repeated": True}
            if freeze.fenced(source).state is not ProbeState.DONE:
                raise freeze.not_fenced(self._system)
            # An earlier attempt may have died after it stopped the stream.
            stream.enable(self._name, "dcshift", source, target)
            facts = freeze.carry_rest(job, source, target)
            self._at.take_turn(source)  # carrying took its time; what follows opens the target
            freeze.stop_following(job, source, target)
            claim.set_phase(target, claim.HANDED_OVER)
            ended = database_target.set_read_only(target, self._owner, False)
        return {**facts, "target_sessions_ended": ended}

    def handed_over(self) -> Probe:
        return self._at.ask(lambda _, target: probes.handed_over(target, system=self._system, owner=self._owner))

    def take_back(self) -> None:
        with self._at.source() as source, self._at.target() as target:
            self._at.take_turn(source)
            database_target.set_read_only(target, self._owner, True)
            if claim.phase(target, self._system) in (claim.HANDED_OVER, claim.FOLLOWING):
                stream.enable(self._name, "dcshift", source, target)
                claim.set_phase(target, claim.FOLLOWING)

    # Watch

    def retire_stream(self) -> Facts:
        with self._at.source() as source, self._at.target() as target:
            self._at.take_turn(source)
            dropped = stream.drop_subscription(target, self._name)
            slot = stream.drop_slot(source, self._name)
            link.run(source, "DROP PUBLICATION IF EXISTS dcshift")
            before = [(schema, name, kind) for schema, name, kind, _ in link.rows(source, identity.BEFORE)]
            identity.put_back_on_target(target, self._owner, before)
            put_back = identity.put_back(source)
            claim.set_phase(target, claim.RETIRED)
        return {"subscription_dropped": dropped, "slot_dropped": slot, "identities_put_back": put_back}

    def stream_retired(self) -> Probe:
        return self._at.ask(partial(probes.retired, name=self._name))

    # Proofs

    def prove(self, *, frozen: bool, seconds_max: float | None = None, values: bool = False) -> Sequence[Proof]:
        # A comparison takes no turn, as it changes nothing; while the source serves, it spares it as a copy does.
        pace = database_proof.AT_ONCE if frozen else database_pace.unhurried(self._job(token=0))
        return database_proof.prove(
            self._at, self._clock, frozen=frozen, seconds_max=seconds_max, values=values, pace=pace
        )

    def odd_rows(self) -> Sequence[OddRows]:
        return Repair(self._at, self._clock, self._system, self._owner).look()

    def repair(self, agreed: Sequence[OddRows]) -> Repaired:
        return Repair(self._at, self._clock, self._system, self._owner).repair(agreed)

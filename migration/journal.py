"""The append-only, hash-chained journal in SQLite, and the leases beside it; it decides nothing and forgets nothing.

Every record holds a SHA-256 over the record before it and its own content, so a changed, removed or inserted record is
found by `verify_chain`. Two processes may use one journal at once: each transaction begins by taking the write lock.
Leases are not history: they say who acts now, and may be overwritten. Never on NFS: its locks are not SQLite's.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from migration.errors import NeedsOperator, StepFailed
from migration.model.lease import Busy, Holder, Lease
from migration.model.run import Event, Kind, RunState, replay
from migration.model.words import Json, RunId, StepId
from migration.ports import Clock

LEASE_SECONDS = 30.0
"""A lease whose holder's machine cannot be asked is free after this; the holder renews it at a third of it."""

_BUSY_TIMEOUT_MILLISECONDS = 30_000
_GENESIS = "0" * 64

_metadata = sql.MetaData()
_events = sql.Table(
    "event",
    _metadata,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("at", sql.Float, nullable=False),
    sql.Column("run", sql.Text, nullable=False, index=True),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("step", sql.Text),
    sql.Column("content", sql.Text, nullable=False),
    sql.Column("hash", sql.Text, nullable=False),
)
_leases = sql.Table(
    "lease",
    _metadata,
    sql.Column("resource", sql.Text, primary_key=True),
    sql.Column("holder", sql.Text, nullable=False),
    sql.Column("token", sql.Integer, nullable=False),
    sql.Column("expires_at", sql.Float, nullable=False),
)
_tokens = sql.Table("token", _metadata, sql.Column("last", sql.Integer, primary_key=True))

# What every turn asks several times is written once: building a statement costs more than running it.
_AFTER = sql.select(_events).where(_events.c.id > sql.bindparam("after")).order_by(_events.c.id)
_AFTER_OF_RUN = _AFTER.where(_events.c.run == sql.bindparam("run"))
_LAST = sql.select(_events.c.id, _events.c.hash).order_by(_events.c.id.desc()).limit(1)
_RECORD = _events.insert()
_HELD = sql.select(_leases.c.resource).where(_leases.c.token == sql.bindparam("token"))

_APPEND_ONLY = (
    "CREATE TRIGGER IF NOT EXISTS event_never_changes BEFORE UPDATE ON event "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS event_never_goes BEFORE DELETE ON event "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
)


@dataclass(frozen=True, slots=True)
class Chain:
    """Whether the records still are what was written."""

    records: int
    head: str
    broken_at: int | None
    """The first record whose hash does not fit, or None."""


class Journal:
    """One journal file; safe to share between processes and threads."""

    def __init__(self, path: Path, clock: Clock, alive: Callable[[Holder], bool]) -> None:
        """`alive` says whether a holder still runs; it answers True when it cannot know (another machine)."""
        self.path = path
        self._clock, self._alive = clock, alive
        self._opening = path.with_name(f"{path.name}.opening")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Created by us, so that SQLite cannot create it readable for others; its -wal and -shm take the same mode.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            os.close(os.open(self._opening, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as refused:
            raise self._unusable(refused) from refused
        self._engine = sql.create_engine(f"sqlite:///{path}")
        sql.event.listen(self._engine, "connect", _configure)
        sql.event.listen(self._engine, "begin", _begin)
        self._states: dict[str, RunState] = {}
        # SQLite does not wait for another process that turns the same new file into WAL mode: one makes it at a time.
        with _alone(self._opening), self._write() as connection:
            _metadata.create_all(connection)
            for statement in _APPEND_ONLY:
                connection.exec_driver_sql(statement)

    def close(self) -> None:
        self._engine.dispose()

    # ------------------------------------------------------------------ records

    def open_run(self, plan: str) -> RunId:
        """Return the run of this plan, opened now if it is its first."""
        with self._write() as connection:
            query = sql.select(_events.c.run, _events.c.content).where(_events.c.kind == Kind.OPENED)
            for run, content in connection.execute(query):
                if json.loads(content)["plan"] == plan:
                    return RunId(run)
            count = connection.execute(sql.select(sql.func.count()).where(_events.c.kind == Kind.OPENED)).scalar_one()
            run = RunId(f"run-{count + 1}-{plan[:6]}")
            self._insert(connection, run, Kind.OPENED, None, {"plan": plan})
            return run

    def append(
        self,
        run: RunId,
        kind: Kind,
        *,
        step: StepId | None = None,
        content: Mapping[str, Json],
        lease: Lease | None = None,
    ) -> Event:
        """Write one record and return it; durable on return.

        Raises `StepFailed` (lease-lost) when another process has taken the lease since: then nothing is written.
        """
        with self._write() as connection:
            if lease is not None:
                self._assert_held(connection, lease)
            return self._insert(connection, run, kind, step, content)

    def events(self, run: RunId | None = None, *, after: int = 0) -> list[Event]:
        """Return the records of one run, or of all, in order."""
        query = _AFTER if run is None else _AFTER_OF_RUN
        words = {"after": after} if run is None else {"after": after, "run": run}
        with self._read() as connection:
            return [_event(row) for row in connection.execute(query, words)]

    def runs(self) -> list[tuple[RunId, str, float]]:
        """Return (run, plan, opened at) of every run, the oldest first."""
        query = sql.select(_events).where(_events.c.kind == Kind.OPENED).order_by(_events.c.id)
        with self._read() as connection:
            found = [_event(row) for row in connection.execute(query)]
        return [(RunId(event.run), str(event.content["plan"]), event.at) for event in found]

    def state(self, run: RunId) -> RunState:
        """Return the run's state, replayed up to the last record."""
        state = self._states.get(run, RunState(id=run))
        for event in self.events(run, after=state.last_event):
            state = replay(state, event)
        self._states[run] = state
        return state

    def verify_chain(self) -> Chain:
        """Compute every hash again."""
        previous, count = _GENESIS, 0
        for event in self.events():
            count += 1
            if event.id != count or event.hash != _hash(previous, event):
                return Chain(count, previous, event.id)
            previous = event.hash
        return Chain(count, previous, None)

    # ------------------------------------------------------------------ leases

    def take(self, resources: Sequence[str], holder: Holder) -> Lease | Busy:
        """Take all of these or none; a new token is higher than every earlier one."""
        now = self._clock.now()
        with self._write() as connection:
            for row in connection.execute(sql.select(_leases).where(_leases.c.resource.in_(resources))):
                other = Holder(**json.loads(row.holder))
                if other != holder and row.expires_at > now and self._alive(other):
                    return Busy(row.resource, other, row.expires_at)
            token = self._new_token(connection)
            connection.execute(_leases.delete().where(_leases.c.resource.in_(resources)))
            rows = [
                {
                    "resource": name,
                    "holder": json.dumps(asdict(holder)),
                    "token": token,
                    "expires_at": now + LEASE_SECONDS,
                }
                for name in sorted(set(resources))
            ]
            connection.execute(_leases.insert(), rows)
            return Lease(tuple(sorted(set(resources))), holder, token)

    def renew(self, lease: Lease) -> None:
        """Hold it longer; raises `StepFailed` (lease-lost) when it is no longer ours."""
        with self._write() as connection:
            self._assert_held(connection, lease)
            expiry = self._clock.now() + LEASE_SECONDS
            connection.execute(_leases.update().where(_leases.c.token == lease.token).values(expires_at=expiry))

    def next_turn(self, lease: Lease) -> Lease:
        """Return the same lease under a new, higher token; raises `StepFailed` (lease-lost) when it is not ours."""
        with self._write() as connection:
            self._assert_held(connection, lease)
            token = self._new_token(connection)
            connection.execute(_leases.update().where(_leases.c.token == lease.token).values(token=token))
            return Lease(lease.resources, lease.holder, token)

    def release(self, lease: Lease) -> None:
        """Give it back; one that was taken from us is left alone."""
        with self._write() as connection:
            connection.execute(_leases.delete().where(_leases.c.token == lease.token))

    def holders(self) -> dict[str, Holder]:
        """Return who holds what now."""
        with self._read() as connection:
            rows = connection.execute(sql.select(_leases).where(_leases.c.expires_at > self._clock.now())).all()
        found = {row.resource: Holder(**json.loads(row.holder)) for row in rows}
        return {resource: holder for resource, holder in found.items() if self._alive(holder)}

    # ------------------------------------------------------------------ inside

    def _new_token(self, connection: sql.Connection) -> int:
        token = (connection.execute(sql.select(sql.func.max(_tokens.c.last))).scalar_one() or 0) + 1
        connection.execute(_tokens.delete())
        connection.execute(_tokens.insert().values(last=token))
        return int(token)

    def _insert(
        self, connection: sql.Connection, run: RunId, kind: Kind, step: StepId | None, content: Mapping[str, Json]
    ) -> Event:
        last = connection.execute(_LAST).one_or_none()
        number, previous = (last.id + 1, last.hash) if last else (1, _GENESIS)
        event = Event(number, self._clock.now(), run, kind, step, json.loads(json.dumps(dict(content))))
        digest = _hash(previous, event)
        row = {"id": number, "at": event.at, "run": run, "kind": kind, "step": step}
        connection.execute(_RECORD, {**row, "content": _canonical(event.content), "hash": digest})
        return Event(number, event.at, run, kind, step, event.content, digest)

    def _assert_held(self, connection: sql.Connection, lease: Lease) -> None:
        held = set(connection.execute(_HELD, {"token": lease.token}).scalars())
        if not held >= set(lease.resources):
            raise StepFailed(
                "lease-lost",
                what="another process has taken over this move",
                why=f"the lease with token {lease.token} on {', '.join(lease.resources)} was taken by a newer one",
                state="the other process goes on; this one records and changes nothing more",
                next="dcshift status -w   shows what the other process does",
            )

    def _unusable(self, cause: object) -> NeedsOperator:
        folder = next(place for place in self.path.parents if place.exists())
        return NeedsOperator(
            "journal-unusable",
            what=f"the journal {self.path} could not be read or written",
            why=f"{cause}; {shutil.disk_usage(folder).free:,} bytes are free in {folder}",
            state="nothing was done after the last record; the world is as that record left it",
            next="look at the disk's free space and the file's rights, then run the same command again",
        )

    @contextmanager
    def _write(self) -> Iterator[sql.Connection]:
        with self._transaction("IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[sql.Connection]:
        with self._transaction("DEFERRED") as connection:
            yield connection

    @contextmanager
    def _transaction(self, mode: str) -> Iterator[sql.Connection]:
        try:
            with self._engine.connect().execution_options(begin=mode) as connection, connection.begin():
                yield connection
        except sql.exc.DBAPIError as broken:
            raise self._unusable(broken.orig) from broken


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _configure(connection: Any, _record: object) -> None:
    # The driver's own transactions are switched off: it would begin them late and without the write lock.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_MILLISECONDS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sql.Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'IMMEDIATE')}")


def _event(row: Any) -> Event:
    step = StepId(row.step) if row.step else None
    return Event(row.id, row.at, row.run, Kind(row.kind), step, json.loads(row.content), row.hash)


def _canonical(content: Mapping[str, Json]) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False)


def _hash(previous: str, event: Event) -> str:
    text = f"{previous}\n{event.id}\n{event.at!r}\n{event.run}\n{event.kind}\n{event.step}\n{_canonical(event.content)}"
    return hashlib.sha256(text.encode()).hexdigest()

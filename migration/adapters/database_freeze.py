"""What happens to the databases while citizens wait: fence, marker, the rest that no stream carries; each step timed.

It never lifts the fence by itself, and never calls a target complete before the marker was seen there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from migration.errors import StepFailed
from migration.model.words import Facts, Json, Probe, ProbeState
from migration.movers import copy, large_objects, link, schema, stream
from migration.movers.job import PostgresJob
from migration.movers.link import Connection, quoted
from migration.movers.postgres import pass_file
from migration.ports import Clock, OnProgress, Remote, Units

Ask = Callable[[Connection, Connection], Probe]

# Citizens wait meanwhile: what is not there by then is undone and tried again another time.
_DRAIN_SECONDS_MAX: Final = 5.0
_MARKER_SECONDS_MAX: Final = 5.0
# The slot is in use for a moment after the target has stopped.
_SLOT_SECONDS_MAX: Final = 5.0
# A session that passed the login check just before the fence closed shows up a moment later: nobody must be seen on
# several readings in a row.
_READINGS: Final = 3
_BETWEEN_READINGS_SECONDS: Final = 0.02


def wait_for_unit(units: Units, name: str, clock: Clock, on_progress: OnProgress, *, seconds_max: float) -> Facts:
    """Wait for a mover's end and return its result; raises `StepFailed` with the mover's own error."""
    deadline = clock.monotonic() + seconds_max
    while True:
        status = units.status(name)
        if status.progress is not None:
            on_progress(status.progress)
        if status.state == "done":
            return dict(status.result or {})
        if status.failure is not None:
            raise status.failure
        if status.state != "running":
            raise StepFailed(
                "mover-gone",
                what=f"the mover {name} is not there any more",
                why=f"it is {status.state}: somebody stopped it, or its folder was removed",
                state="the source serves; the copy is incomplete and begins again on the next run",
                next="dcshift run",
            )
        if clock.monotonic() > deadline:
            units.stop(name)
            raise StepFailed(
                "mover-too-slow",
                what=f"the mover {name} was stopped",
                why=f"it did not finish in {seconds_max:.0f} s",
                state="the source serves; the copy is incomplete",
                next="dcshift run begins the copy again",
            )
        clock.sleep(0.5)


def fence(source: Connection, target: Connection, token: int, clock: Clock) -> Facts:
    """Keep everyone but the migration out, prove it, and see the last commit on the target."""
    began = clock.monotonic()
    # A transaction of its own: whoever logs in from here on is refused.
    link.rows(source, "SELECT dcshift.fence(%s)", (token,))
    ended, quiet = 0, 0
    while quiet < _READINGS:
        left = link.rows(source, "SELECT who, program FROM dcshift.others()")
        if left:
            ended += int(link.rows(source, "SELECT dcshift.expel(%s)", (token,))[0][0])
        quiet = 0 if left else quiet + 1
        if clock.monotonic() - began > _DRAIN_SECONDS_MAX:
            names = ", ".join(sorted({f"{who} ({program})" for who, program in left}))
            raise _refused("sessions-stay", "sessions stayed in the fenced source", f"{names} came back or did not end")
        clock.sleep(_BETWEEN_READINGS_SECONDS if quiet < _READINGS else 0)
    query = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"
    if prepared := link.rows(source, query)[0][0]:
        raise _refused("prepared-transactions", "the fenced source is not at rest", f"{prepared} prepared transactions")
    closed = clock.monotonic()
    if not stream.wait_for_mark(target, stream.mark(source), seconds_max=_MARKER_SECONDS_MAX):
        why = f"the marker was not seen there within {_MARKER_SECONDS_MAX:.0f} s"
        raise _refused("marker-not-seen", "the last commits did not arrive on the target", why)
    return {
        "sessions_ended": ended,
        "fence_seconds": round(closed - began, 3),
        "marker_seconds": round(clock.monotonic() - closed, 3),
    }


def _refused(code: str, what: str, why: str) -> StepFailed:
    state = "the fence is closed; undoing this step opens it"
    return StepFailed(code, what=what, why=why, state=state, next="dcshift run tries again after the way back")


def fenced(source: Connection) -> Probe:
    """Read from the catalogue, which a restart does not change, and from the sessions, who is inside."""
    closed_at, open_to = link.rows(source, "SELECT fenced_at, open_to FROM dcshift.fence_state()")[0]
    if closed_at is None:
        return Probe(ProbeState.NOT_DONE, "the fence is open")
    if open_to:
        return Probe(ProbeState.NOT_DONE, f"the fence is closed but for {', '.join(open_to)}")
    if others := link.rows(source, "SELECT who FROM dcshift.others()"):
        return Probe(ProbeState.NOT_DONE, f"{len(others)} sessions are inside the fence")
    return Probe(ProbeState.DONE, f"nobody else may connect since {closed_at:%H:%M:%S} and nobody else is inside")


def at_rest(source: Connection, slot: str) -> Probe:
    """Read whether the fence holds, who is inside, and whether anybody wrote since the target stopped following.

    Who connected and left again is seen by what he wrote: the slot, which nobody reads now, keeps every change.
    """
    answer = fenced(source)
    if answer.state is not ProbeState.DONE:
        return answer
    if written := stream.waiting_changes(source, slot, "dcshift", seconds_max=_SLOT_SECONDS_MAX):
        names = ", ".join(f"{table} ({count})" for table, count in sorted(written.items())[:5])
        return Probe(ProbeState.NOT_DONE, f"somebody wrote to the fenced source after the target stopped: {names}")
    return Probe(ProbeState.DONE, f"{answer.sentence}; no change has been written since the target stopped following")


def unfence(source: Connection, token: int) -> None:
    """Give back the right to connect to exactly those who had it."""
    if link.rows(source, "SELECT to_regprocedure('dcshift.unfence(bigint)')")[0][0] is None:
        return
    link.rows(source, "SELECT dcshift.unfence(%s)", (token,))
    closed_at, open_to = link.rows(source, "SELECT fenced_at, open_to FROM dcshift.fence_state()")[0]
    if closed_at is not None or not open_to:
        raise _not_opened(f"it reads as closed since {closed_at}, open to {open_to or 'nobody'}")


_UNFENCE: Final = """
SELECT to_regprocedure('dcshift.unfence(bigint)') IS NOT NULL AS installed \\gset
\\if :installed
SELECT dcshift.unfence(:turn);
SELECT 'open' FROM dcshift.fence_state() WHERE fenced_at IS NULL AND cardinality(open_to) > 0;
\\else
SELECT 'open';
\\endif
"""


def unfence_on_its_host(remote: Remote, host: str, database: str, token: int) -> None:
    """Open the fence as the source's own administrator: our role's password could not be read."""
    argv = ["sudo", "-n", "-u", "postgres", "psql", "-XqAt", "--set=ON_ERROR_STOP=1", f"--set=turn={token}"]
    said = remote.run(host, [*argv, f"--dbname={database}"], input=_UNFENCE)
    if said.split()[-1:] != ["open"]:
        raise _not_opened(f"on {host} it reads as closed, or open to nobody")


def _not_opened(why: str) -> StepFailed:
    return StepFailed(
        "fence-not-opened",
        what="the source's fence could not be opened",
        why=why,
        state="the application cannot connect to the source",
        next="psql as postgres on the source: SELECT dcshift.unfence((SELECT turn FROM dcshift.settings))",
    )


def not_fenced(system: str) -> StepFailed:
    """Return the error of a hand-over that was asked for too early."""
    return StepFailed(
        "source-not-fenced",
        what=f"{system} was not handed over",
        why="the source is not fenced: what is copied now would not be the last",
        state="nothing was changed; the source serves",
        next="dcshift run closes the fence first",
    )


def carry_rest(job: PostgresJob, source: Connection, target: Connection) -> Facts:
    """Carry what no stream carries, side by side: sequences, large objects, views, unlogged tables."""
    seconds: dict[str, Json] = {}
    facts: dict[str, Json] = {}

    def timed(what: str, work: Callable[[Connection, Connection], Any]) -> None:
        began = time.monotonic()
        with _pair(job) as (here, there):
            facts[what] = work(here, there)
        seconds[what] = round(time.monotonic() - began, 3)

    def views(here: Connection, there: Connection) -> int:
        return schema.refresh_materialised_views(here, there, job.owner)

    def sequences(here: Connection, there: Connection) -> int:
        return schema.carry_sequences(here, there, job.owner)

    with pass_file(job) as (_, file):
        pipe = copy.Pipe(job, file, None)

        def objects(here: Connection, there: Connection) -> list[int]:
            xmin = int(link.rows(there, "SELECT snapshot_xmin FROM dcshift.claim")[0][0])
            return list(large_objects.carry_changed(pipe, here, there, xmin))

        def unlogged(here: Connection, _: Connection) -> int:
            return sum(pipe.carry(table) for table in copy.tables(here) if table.unlogged)

        kinds = {
            "views_refreshed": views,
            "sequences_set": sequences,
            "large_objects_carried": objects,
            "unlogged_rows": unlogged,
        }
        with ThreadPoolExecutor(len(kinds)) as pool:
            for task in [pool.submit(timed, what, work) for what, work in kinds.items()]:
                task.result()
    return {**facts, "seconds_each": seconds}


@contextmanager
def _pair(job: PostgresJob) -> Any:
    with (
        link.session(job.source, program=job.program, silence_seconds_max=link.HOLD_SILENCE_SECONDS_MAX) as source,
        link.session(job.target, program=job.program, silence_seconds_max=link.HOLD_SILENCE_SECONDS_MAX) as target,
    ):
        yield source, target


def stop_following(job: PostgresJob, source: Connection, target: Connection) -> None:
    """Prove once more that no table was missed and nothing is under way, then disable the subscription."""
    published, known = stream.tables_of(job.publication, job.name, source, target)
    if published != known:
        odd = ", ".join(sorted(published ^ known)[:10])
        raise _refused("subscription-misses-tables", "the stream did not carry every table", f"they differ in: {odd}")
    if not stream.wait_for_mark(target, stream.mark(source), seconds_max=_MARKER_SECONDS_MAX):
        raise _refused("marker-not-seen", "the last commits did not arrive on the target", "no marker in time")
    link.run(target, f"ALTER SUBSCRIPTION {quoted(job.name)} DISABLE")
    query = "SELECT subenabled FROM pg_subscription WHERE subname = %s"
    if link.rows(target, query, (job.name,)) != [(False,)]:
        raise _refused("subscription-goes-on", "the target did not stop following", "it reads as enabled")

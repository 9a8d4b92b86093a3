"""Fills a target of MariaDB from nothing and lets it follow; what a killed mover left is removed first."""

from __future__ import annotations

import time
from dataclasses import replace

from migration.errors import StepFailed
from migration.model.words import Finding, Json, Severity
from migration.movers import lines
from migration.movers.mariadb import copy, events, facts, fence, findings, floats, gtid, link, proof, stream
from migration.movers.mariadb.claim import COPYING, FOLLOWING, Turn
from migration.movers.mariadb.moment import while_serving


def fill(turn: Turn) -> dict[str, Json]:
    """Make the copy from nothing and let it follow; return the facts."""
    job = turn.job
    if turn.claim is not None:
        lines.progress("cleaning", 0, None, "steps")
        clean(turn)
    warnings: list[Json] = [*findings.refuse(job, speaks_against(turn))]
    turn.make()
    source = facts.of(turn.source, job.source.shown, job.databases)
    position = copy.carry(turn, source.bytes)
    events.disarm(turn.target, job.databases)
    stream.subscribe(turn.source, turn.target, job, job.feed, position)
    # What the target's own log held before is no writing against the copy.
    turn.set(COPYING, gtid.both(position, stream.place(turn.target)))
    follow(turn)
    with while_serving(turn, standing=True) as moment:
        definitions = next(proof.prove(moment, job.databases))
        mended = floats.mend(moment, job.databases) if definitions.passed else 0
    if not definitions.passed:
        raise _unbelieved(turn, "; ".join(definitions.differences))
    turn.set(FOLLOWING)
    return {
        "position": position,
        "bytes": source.bytes,
        "definitions": definitions.sentence,
        "rows_mended": mended,
        "warnings": warnings,
    }


def follow(turn: Turn) -> int:
    """Start the stream and wait until the target is close; return how many transactions it is behind."""
    job, rate, first = turn.job, lines.Rate(), 0
    fence.shut(turn.target)
    stream.start(turn.target, job)
    deadline = time.monotonic() + job.catch_up_seconds_max
    while True:
        turn.check()
        position = stream.place(turn.source)
        behind = gtid.behind(position, stream.reached(turn.target))
        first = max(first, behind)
        lines.progress("catching up", first - behind, first, "transactions", rate.of(first - behind))
        if stream.wait_for(turn.target, position, seconds_max=2.0):
            stream.assert_follows(turn.target, job)
            return gtid.behind(stream.place(turn.source), stream.reached(turn.target))
        stream.assert_follows(turn.target, job)
        if time.monotonic() > deadline:
            raise StepFailed(
                "catch-up-too-slow",
                what=f"{job.system} is still {behind} transactions behind",
                why=f"it did not come close within {job.catch_up_seconds_max:.0f} s",
                state="the source serves; the stream goes on",
                next="the same command waits again",
            )


def speaks_against(turn: Turn) -> list[Finding]:
    """Ask both servers and return what speaks against a move."""
    job = turn.job
    sides = ((turn.source, job.source.shown), (turn.target, job.target.shown))
    found = [one for side, where in sides for one in findings.of_rights(where, facts.rights(side))]
    if any(one.severity is Severity.BLOCKER for one in found):
        return found
    source, target = (facts.of(side, where, job.databases) for side, where in sides)
    if turn.claim is not None:  # what is ours there is in nobody's way
        others = {name: collation for name, collation in target.databases.items() if name not in job.databases}
        channels = tuple(name for name in target.channels if name != job.channel)
        target = replace(target, databases=others, channels=channels)
    return findings.findings(job, source, target)


def clean(turn: Turn) -> None:
    """Remove a copy; the server held nothing else when it was marked."""
    turn.check()
    stream.drop(turn.target, turn.job)
    for database in turn.job.databases:
        link.run(turn.target, f"DROP DATABASE IF EXISTS {link.quoted(database)}")


def _unbelieved(turn: Turn, why: str) -> StepFailed:
    return StepFailed(
        "program-not-believed",
        what=f"the copy of {turn.job.system} counts as not done: both programs ended well, and the definitions differ",
        why=why,
        state="the source was only read; the next run copies anew",
        next="look at which mariadb-dump and mariadb these are (`type -a`), then the same command again",
    )

"""Proves every database of a physical move equal on both sides, by the proofs of any other move; it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from migration.adapters import database_proof
from migration.adapters.clock import SystemClock
from migration.adapters.postgres import Place
from migration.errors import MigrationError, StepFailed
from migration.model.words import Proof
from migration.movers import lines, physical_job, place
from migration.movers.job import Words, given
from migration.movers.physical_job import PhysicalJob


def main(argv: list[str] | None = None) -> int:
    """Print one line for each proof and the result; returns the exit status."""
    words = Words(prog="dcshift move prove", description=__doc__)
    words.add_argument("--job", required=True, help="the JSON job of the physical move: a private file, or - for stdin")
    words.add_argument(
        "--frozen", action="store_true", help="nobody writes: compare also what the stream does not carry"
    )
    try:
        said = words.parse_args(argv)
        failed = 0
        for database, proof in prove(given(said.job, physical_job.read, words.prog), frozen=said.frozen):
            failed += not proof.passed
            lines.say(
                {
                    "proof": {
                        "database": database,
                        "name": proof.name,
                        "passed": proof.passed,
                        "sentence": proof.sentence,
                        "figures": dict(proof.figures),
                        "differences": list(proof.differences),
                    }
                }
            )
        if failed:
            raise StepFailed(
                "copy-differs",
                what=f"{failed} proofs of the copy failed",
                why="the lines before name the differences",
                state="nothing was changed; the source serves",
                next="undo the physical move and make the copy anew (docs/physical.md)",
            )
        lines.result({"proved": True})
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    return 0


def prove(job: PhysicalJob, *, frozen: bool) -> Iterator[tuple[str, Proof]]:
    """Yield each proof with its database."""
    marker = place.read(job.folder)
    if marker is None or marker.phase != place.FOLLOWING:
        raise StepFailed(
            "no-copy-to-prove",
            what=f"{job.folder} holds no complete copy",
            why="its marker is not there or does not say that it follows",
            state="nothing was changed",
            next="make the copy first (docs/physical.md)",
        )
    for moved in job.databases:
        source = Place(job.source_of(moved.database), moved.owner, job.source.user)
        # The migration's role came with the copy, under the same name.
        target = Place(job.target_of(moved.database, marker.superuser), moved.owner, job.source.user)
        for proof in database_proof.of_places(source, target, SystemClock(), frozen=frozen):
            yield moved.database, proof


if __name__ == "__main__":
    raise SystemExit(main())

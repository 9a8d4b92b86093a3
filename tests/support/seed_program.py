"""`dcshift move seed` over a cluster of the loopback, as a program of its own that can be killed."""

from __future__ import annotations

import argparse
from pathlib import Path

from migration.errors import MigrationError
from migration.movers import lines, seed, seed_job
from migration.movers.postgres import told_to_end
from tests.support.seeding import LoopbackCluster


def main() -> int:
    words = argparse.ArgumentParser()
    words.add_argument("--job", required=True)
    words.add_argument("--world", type=Path, required=True)
    words.add_argument("--major", type=int, required=True)
    words.add_argument("--undo", action="store_true")
    said = words.parse_args()
    world = LoopbackCluster(said.world, said.major)
    try:
        with told_to_end():
            lines.result((seed.undo if said.undo else seed.move)(seed_job.read(said.job), world))
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

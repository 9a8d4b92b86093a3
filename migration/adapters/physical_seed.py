"""Moves a whole PostgreSQL server by its files into a CloudNativePG cluster: `dcshift move seed`."""

from __future__ import annotations

import psycopg

from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.pod_programs import ExecutedInPods
from migration.adapters.seeded_cluster import CnpgCluster
from migration.errors import MigrationError
from migration.movers import letting_go, lines, seed, seed_job
from migration.movers.job import Words, given
from migration.movers.postgres import told_to_end


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="dcshift move seed", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    words.add_argument(
        "--undo", action="store_true", help="remove the copy and its slots; the cluster stays, and is named"
    )
    try:
        said = words.parse_args(argv)
        job = given(said.job, seed_job.read, words.prog)
        cluster = KubernetesCluster(job.cluster.kubeconfig)
        world = CnpgCluster(job.cluster, cluster, ExecutedInPods(cluster))
        with told_to_end():
            lines.result((seed.undo if said.undo else seed.move)(job, world))
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except psycopg.Error as failure:
        lines.error(letting_go.broken(failure))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m bench.data.prove JOB`: proves that every row of two databases is the same, as the cut does."""

from __future__ import annotations

import json
import sys

from migration.adapters.clock import SystemClock
from migration.adapters.postgres import Place, moment
from migration.movers import job as jobs
from migration.verification.rows import prove_rows


def main() -> int:
    """Prove and print the figures; returns the exit status."""
    job = jobs.read(sys.argv[1])
    places = [Place(endpoint, job.owner, endpoint.user) for endpoint in (job.source, job.target)]
    with moment(places[0], places[1], SystemClock(), frozen=True, workers=job.workers) as both:
        proof = prove_rows(both)
    sys.stdout.write(json.dumps({"passed": proof.passed, "sentence": proof.sentence, **proof.figures}) + "\n")
    return 0 if proof.passed else 1


if __name__ == "__main__":
    sys.exit(main())

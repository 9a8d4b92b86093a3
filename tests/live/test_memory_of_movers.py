"""What a mover holds is bounded however much it carries: it and all that it starts, looked at from outside."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import measuring
from bench.data.results import MEMORY_BYTES_MAX
from lab.postgres_server import binaries
from lab.store_server import Store
from migration.movers import s3
from migration.movers.files_job import FilesJob
from migration.movers.job import PostgresJob
from tests.support import two_databases

pytestmark = pytest.mark.live
MIB = 2**20
# Rows of 12 MiB in two pieces of work at once, and more rows than may be held.
WIDE_AND_LONG = """
SET ROLE portal;
CREATE TABLE scan (id integer PRIMARY KEY, content bytea NOT NULL);
ALTER TABLE scan ALTER content SET STORAGE EXTERNAL;
INSERT INTO scan SELECT i, decode(repeat(md5(i::text), 786432), 'hex') FROM generate_series(1, 6) i;
CREATE TABLE other (LIKE scan INCLUDING ALL);
INSERT INTO other SELECT * FROM scan;
CREATE TABLE long (id integer PRIMARY KEY, word text);
INSERT INTO long SELECT i, md5(i::text) FROM generate_series(1, 300000) i;
SELECT lo_from_bytea(100000 + i, decode(repeat(md5(i::text), 786432), 'hex')) FROM generate_series(1, 3) i;
RESET ROLE;
"""


def run(module: str, job: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """Run a mover to its end; return the most bytes that it and its programs held, and its facts.

    By whichever saw more: from outside it is looked at now and then, and it knows its own peak alone.
    """
    file = folder / "job.json"
    file.touch(mode=0o600)
    file.write_text(job)
    argv = [sys.executable, "-m", module, "--job", str(file)]
    done = measuring.run(argv, env=os.environ, log=folder / "log", say=print, limit_seconds=900)
    facts = json.loads(done.stdout.splitlines()[-1])["result"]
    print(module, "held", done.peak_memory_bytes // MIB, "MiB, itself", facts["memory_bytes_most"] // MIB, "MiB")
    return max(done.peak_memory_bytes, facts["memory_bytes_most"]), facts


@pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the servers run as postgres")
def test_a_database_of_wide_rows_is_copied_within_the_bound(tmp_path: Path) -> None:
    with two_databases.running() as pair, two_databases.made(pair, WIDE_AND_LONG) as sides:
        source = pair[0].endpoint("portal", two_databases.SOURCE_ROLE)
        job = PostgresJob(
            system="portal", token=1, source=source, target=pair[1].endpoint("portal", "dcshift_migration"),
            feed=source, owner="portal", name="dcshift_portal",
        )  # fmt: skip
        most, facts = run("migration.movers.postgres", job.as_json(), tmp_path)
        (there,) = sides.target.execute("SELECT count(*), sum(length(content)) FROM scan").fetchall()
        sides.as_admin(1, "DROP SUBSCRIPTION dcshift_portal")
        sides.as_admin(0, "DROP PUBLICATION dcshift")
    assert there == (6, 6 * 12 * MIB)
    assert 0 < facts["memory_bytes_most"] <= most < MEMORY_BYTES_MAX


@pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync")
def test_large_and_many_files_are_carried_within_the_bound(store: Store, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "many").mkdir(parents=True)
    for number in range(1_500):
        (tree / "many" / f"{number}.txt").write_text(f"nội dung {number}\n" * 40)
    for number in range(3):
        with (tree / f"large-{number}.bin").open("wb") as file:
            file.truncate((120 + number) * MIB)  # holes here, bytes on the way
    assert s3.Bucket(store.endpoint, "lab", "memory", store.access_key, store.secret_key).request("PUT", "").is_success
    job = FilesJob(
        system="portal", name="memory", token=1, source=str(tree), become=[], staging=tmp_path / "staging",
        endpoint=store.endpoint, region="lab", bucket="memory", access_key=store.access_key,
        secret_key=store.secret_key,  # type: ignore[arg-type]
    )  # fmt: skip
    most, facts = run("migration.movers.files", job.as_json(), tmp_path)
    assert facts["files"] == 1_503
    assert facts["carried_bytes"] > 360 * MIB
    assert 0 < facts["memory_bytes_most"] <= most < MEMORY_BYTES_MAX

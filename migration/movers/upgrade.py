"""Makes the new version's server out of the copy by pg_upgrade, which links the files instead of copying them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from migration.errors import StepFailed
from migration.movers import cluster, lines, link, programs
from migration.movers.cluster import Cluster
from migration.movers.physical_facts import SourceFacts, TargetFacts, of_target
from migration.movers.physical_job import PhysicalJob

_LINK_SECONDS_MAX = 4 * 3600.0
_INITDB_SECONDS_MAX = 300.0
_TAIL_CHARACTERS = 2_000
_COMPATIBLE = "Clusters are compatible"
"""How every pg_upgrade --check ends that found nothing; its words are the untranslated ones (LC_ALL=C)."""
_OF_THE_DOOR = ("listen_addresses", "port", "unix_socket_directories", "hba_file", "ident_file", "data_directory")


def private_settings(job: PhysicalJob) -> dict[str, str]:
    """Return the settings of the target's server while nobody else shall reach it."""
    kept = {name: value for name, value in job.settings.items() if name not in _OF_THE_DOOR}
    return {**kept, "autovacuum": "off"}


def initialise(job: PhysicalJob, source: SourceFacts, server: Cluster) -> TargetFacts:
    """Make the empty server into which pg_upgrade will put the copy, and ask it what the findings must know."""
    lines.progress("empty server", 0, None, "steps")
    template, target_major = source.template, cluster.major_of(server.binaries)
    words = ["--no-sync", "-D", str(job.data), "-U", source.superuser, "-A", "peer", "-E", template.encoding]
    words += ["--locale=C", f"--lc-collate={template.collate}", f"--lc-ctype={template.ctype}"]
    words += [f"--wal-segsize={int(source.settings['wal_segment_size']) // 2**20}"]
    if target_major >= 15:
        names = {"c": "libc", "i": "icu", "b": "builtin"}
        words += [f"--locale-provider={names[template.provider]}"]
        if template.locale:
            words += [
                f"--icu-locale={template.locale}" if template.provider == "i" else f"--builtin-locale={template.locale}"
            ]
    if source.settings["data_checksums"] == "on":
        words += ["--data-checksums"]
    elif target_major >= 18:
        words += ["--no-data-checksums"]
    _run(job, "initdb", words, doing="making the empty server", seconds_max=_INITDB_SECONDS_MAX)
    if not (job.data / "PG_VERSION").is_file():
        raise programs.unbelieved("initdb", f"{job.data} holds no server", doing="making the empty server")
    server.configure(private_settings(job))
    log = job.folder / "empty.log"
    process = server.start(log=log)
    try:
        server.wait(process, log, doing="the empty server", seconds_max=cluster.READY_SECONDS_MAX)
        return of_target(server, source)
    finally:
        server.stop()


def link_files(job: PhysicalJob, source: SourceFacts, server: Cluster) -> None:
    """Check, then put the copy into the new server; the copy itself cannot be started again from then on."""
    words = ["-b", str(job.source_binaries), "-B", str(job.target_binaries), "-d", str(job.base), "-D", str(job.data)]
    words += ["-U", source.superuser, "-j", str(job.workers), "--socketdir", str(job.run), "--link"]
    lines.progress("pg_upgrade --check", 0, None, "steps")
    doing = "the check before the upgrade"
    said = _run(job, "pg_upgrade", [*words, "--check"], doing=doing, seconds_max=_LINK_SECONDS_MAX)
    if _COMPATIBLE not in said:
        why = f"it does not say {_COMPATIBLE!r} but {said.strip()[-200:] or 'nothing'}"
        raise programs.unbelieved("pg_upgrade", why, doing=doing)
    lines.progress("pg_upgrade --link", 0, None, "steps")
    _run(job, "pg_upgrade", words, doing="the upgrade", seconds_max=_LINK_SECONDS_MAX)


def believe(job: PhysicalJob, source: SourceFacts, server: Cluster) -> None:
    """Read from the new server that it holds the databases of the source, and in each that moves what is ours there.

    A database of the source may be called `postgres`, which an empty server has, too.
    """
    with server.session("template1") as target:
        there = {name for (name,) in link.rows(target, "SELECT datname FROM pg_database")}
    wanted = {row.name for row in source.databases}
    if missing := sorted(wanted - there):
        why = f"the new server lacks {', '.join(missing)}"
        raise programs.unbelieved("pg_upgrade", why, doing="the upgrade")
    for moved in job.databases:
        with server.session(moved.database) as database:
            came = link.rows(database, "SELECT to_regprocedure('dcshift.take_turn(bigint)') IS NOT NULL")[0][0]
        if not came:
            why = f"{moved.database} of the new server is not the one of the source: it has no schema dcshift"
            raise programs.unbelieved("pg_upgrade", why, doing="the upgrade")


def _run(job: PhysicalJob, program: str, words: Sequence[str], *, doing: str, seconds_max: float) -> str:
    """Run a program as the servers' user in the private folder and return its stdout.

    What it says on either output tells why it failed.
    """
    argv = [*cluster.as_user(job.user), "env", "-C", str(job.run), str(job.target_binaries / program), *words]
    process = programs.begin(argv, cluster.environment())
    try:
        out, err = process.communicate(timeout=seconds_max)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise programs.failed(program, -9, f"it did not finish in {seconds_max:.0f} s", doing=doing) from None
    if process.returncode != 0:
        said = b"\n".join((out, err)).decode(errors="replace")
        raise StepFailed(
            "physical-program-failed",
            what=f"{doing} failed: {program} exited with {process.returncode}",
            why=(said.strip() + _details(job, said))[-_TAIL_CHARACTERS:] or "it said nothing",
            state="the source serves; the copy begins again on the next run",
            next="mend the cause, then type the same command again",
        )
    return out.decode(errors="replace")


def _details(job: PhysicalJob, said: str) -> str:
    """Return what pg_upgrade wrote into files of its own: lists of what it refuses, and the log that it names."""
    found = sorted(job.data.glob("pg_upgrade_output.d/*/*.txt"))
    found += [file for name in re.findall(r'"(/[^"]+\.log)"', said) if (file := Path(name)).is_relative_to(job.folder)]
    return "".join(
        f"\n{file.name}: {file.read_text(errors='replace')[-500:].strip()}" for file in found if file.exists()
    )

"""What speaks against a cluster that begins from a copy: pure, facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from catalogue import seeding
from migration.model.words import Finding, Severity
from migration.movers.physical_facts import DatabaseRow, SourceFacts, TargetFacts
from migration.movers.seed_job import SeedJob
from migration.ports.seeding import ClusterState, ImageFacts

_SUPERUSER: Final = "postgres"
_WITHOUT_FILES: Final = ("C", "POSIX")
"""Locales that every C library has built in."""


def of_image(job: SeedJob, image: ImageFacts, source: SourceFacts, target: TargetFacts) -> Iterator[Finding]:
    """Yield what the image lacks of what the copy will need, and what the operator asks of every server."""
    where, major = job.cluster.image, target.number // 10000
    if image.major != major:
        what = f"the image has PostgreSQL {image.major}, this machine's programs (target_binaries) are of {major}"
        yield _blocker("seed-major", where, what, "use programs of the image's version: the cluster takes the files")
    library = target.sorters.get("c")
    if library is not None and image.library != library:
        what = f"the image sorts text by C library {image.library}, this machine by {library}: indexes checked here"
        what += " may be broken there"
        yield _blocker("seed-library", where, what, "use a machine of the image's release for the copy")
    for row in source.databases:
        if missing := sorted(_locales(row) - {_plain(name) for name in image.locales}):
            what = f"database {row.name} needs {', '.join(missing)}, which the image lacks: its server would not start"
            yield _blocker("seed-locale", where, what, "use an image with these locales (locale -a says what it has)")
    wanted = {name for inside in source.inside.values() for name in inside.extensions}
    if missing := sorted(wanted - image.extensions):
        what = f"the image lacks extensions of the source: {', '.join(missing)}"
        yield _blocker("seed-extensions", where, what, "use an image with them, or drop them at the source")
    if source.superuser != _SUPERUSER:
        what = f"the source's superuser is {source.superuser}; the operator knows only {_SUPERUSER}"
        yield _blocker("seed-superuser", job.server.source.host, what, "use --engine logical")
    if _SUPERUSER not in {row.name for row in source.databases}:
        what = f"the source has no database {_SUPERUSER}, by which the operator administers the server"
        yield _blocker("seed-superuser", job.server.source.host, what, f"CREATE DATABASE {_SUPERUSER} at the source")
    if not target.tls:
        what = "the programs of the target know no TLS, and the copy goes over a network"
        yield _blocker("seed-tls", str(job.server.target_binaries), what, "use programs that were built with OpenSSL")


def of_cluster(job: SeedJob, state: ClusterState) -> Iterator[Finding]:
    """Yield what makes a cluster another one than that which begins from this copy."""
    where = f"{job.cluster.namespace}/{job.cluster.name}"
    for path, wanted in birth(job).items():
        found = _at(state.spec, path)
        if found != wanted:
            what = f"{path} is {_said(found)}, not {_said(wanted)}"
            yield _blocker(
                "seed-declared", where, what, "declare the cluster as begun from this copy, before it is born"
            )
    if state.spec.get("imageName") != job.cluster.image:
        what = f"it runs {state.spec.get('imageName')}; asked and found fit was {job.cluster.image}"
        yield _blocker("seed-image", where, what, "name that image in the order and begin again, or declare this one")


def birth(job: SeedJob) -> Mapping[str, str]:
    """Return the fields by which a cluster begins from this copy; of its external clusters there is one."""
    origin = "externalClusters.0"
    return {
        "bootstrap.pg_basebackup.source": seeding.ORIGIN,
        f"{origin}.name": seeding.ORIGIN,
        f"{origin}.connectionParameters.host": str(job.cluster.address),
        f"{origin}.connectionParameters.port": str(job.server.port),
        f"{origin}.connectionParameters.user": seeding.ROLE,
        f"{origin}.connectionParameters.sslmode": "verify-full",
        f"{origin}.password.name": job.cluster.secret,
        f"{origin}.password.key": seeding.PASSWORD_KEY,
        f"{origin}.sslRootCert.name": job.cluster.secret,
        f"{origin}.sslRootCert.key": seeding.AUTHORITY_KEY,
    }


def _locales(row: DatabaseRow) -> set[str]:
    # Of every provider the C library is asked for character classes, and for messages.
    return {_plain(name) for name in (row.collate, row.ctype) if name not in _WITHOUT_FILES}


def _plain(name: str) -> str:
    """Return a locale's name as the C library compares it: `en_US.UTF-8` is `en_US.utf8`."""
    language, dot, charset = name.partition(".")
    charset, at, modifier = charset.partition("@")
    return f"{language}{dot}{charset.lower().replace('-', '')}{at}{modifier}"


def _at(spec: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(spec, list):
            spec = spec[int(step)] if len(spec) > int(step) else None
        else:
            spec = (spec or {}).get(step)
    return spec


def _said(value: object) -> str:
    return "not said" if value is None else str(value)


def refusal(found: Iterable[Finding]) -> str:
    """Return findings as one clause each."""
    return "; ".join(f"{each.code} ({each.where}): {each.what}" for each in found)


def _blocker(code: str, where: str, what: str, next_step: str) -> Finding:
    return Finding(Severity.BLOCKER, code, where, what, next_step)

"""The systems' data, filled once per scale and kept in the cache; a lab starts from a copy of it.

Filling 300,000 dossiers takes minutes, so it happens outside any lab: in a scratch root over db1's layers, with
PostgreSQL started by hand on a loopback of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.apps.systems import SYSTEMS, AppSystem
from lab.command import run
from lab.paths import cache
from lab.rootfs import COPY, cached, digest, in_rootfs, remove_tree
from lab.source import application, hosts
from lab.source.database import CONFIGURATION, DATA, VERSION
from lab.source.environments import venv_layer
from lab.source.files import write
from lab.source.overlay import scratch_root

SCALES: Final = ("full", "tenth")
_FILL_SECONDS_MAX: Final = 3600.0

_CREATE: Final = f"""set -eu
pg_createcluster {VERSION} main --locale=en_US.UTF-8 --encoding=UTF8 -- --data-checksums
# Only while it is being filled: nothing is lost if this fails, it is simply built again.
printf 'fsync = off\\nsynchronous_commit = off\\nfull_page_writes = off\\nmax_wal_size = 4GB\\n' \\
  > {CONFIGURATION}/conf.d/filling.conf
printf "password_encryption = 'scram-sha-256'\\n" >> {CONFIGURATION}/conf.d/filling.conf
printf 'local all postgres peer\\nhost all all 127.0.0.1/32 scram-sha-256\\n' > {CONFIGURATION}/pg_hba.conf
pg_ctlcluster {VERSION} main start
trap 'pg_ctlcluster {VERSION} main stop -m fast' EXIT
runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 < /root/roles.sql
fill() {{
  runuser -u "$1" -- "/usr/local/bin/$1-manage" migrate --noinput
  runuser -u "$1" -- "/usr/local/bin/$1-manage" fill --scale "$SCALE"
}}
started=
for system in $SYSTEMS; do
  fill "$system" & started="$started $!"
done
for process in $started; do
  wait "$process"
done
runuser -u postgres -- vacuumdb --quiet --all --analyze
pg_ctlcluster {VERSION} main stop -m fast
trap - EXIT
rm {CONFIGURATION}/conf.d/filling.conf
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled data set in the cache: `root` overlays db1, `uploads` has a folder a system, `secrets` theirs."""

    root: Path
    uploads: Path
    secrets: dict[str, dict[str, str]]


def filled(scale: str) -> Filled:
    """Return the data of `scale` (`full` or `tenth`), filled first if the cache lacks it (minutes for `full`)."""
    key = digest("1", scale, _CREATE, *(_sources(system) for system in SYSTEMS))
    target = cache() / "filled" / f"{scale}-{key}"
    if not target.is_dir():
        cached(target, lambda folder: _fill(folder, scale))
        for stale in target.parent.glob(f"{scale}-*"):  # of earlier code: half a gigabyte each, never used again
            if stale != target:
                remove_tree(stale)
    return Filled(target / "root", target / "uploads", json.loads((target / "secrets.json").read_text()))


def _fill(folder: Path, scale: str) -> None:
    words = {s.name: {"password": secrets.token_hex(16), "secret_key": secrets.token_hex(32)} for s in SYSTEMS}
    for system in SYSTEMS:
        (folder / "uploads" / system.name).mkdir(parents=True)
        (folder / "uploads" / system.name).chmod(0o750)
        os.chown(folder / "uploads" / system.name, system.uid, system.uid)
    write(folder, "secrets.json", json.dumps(words), 0o600)
    environments = [venv_layer(system.name, system.release, hosts.SUITE) for system in SYSTEMS]
    # db1 with the applications' environments above. Not app1's layer as well: a folder that a layer makes anew hides
    # the same folder of the layers below it.
    layers = (*environments, *hosts.lowers("db1"))
    binds = {folder / "uploads" / system.name: system.uploads for system in SYSTEMS}
    with scratch_root(layers, folder / "scratch") as root:
        for system in SYSTEMS:
            application.install_system(root, system, words[system.name], database_host="127.0.0.1")
        write(root, "/root/roles.sql", _roles(words), 0o600)
        settings = {"SCALE": scale, "SYSTEMS": " ".join(system.name for system in SYSTEMS)}
        script = ["bash", "-c", _CREATE]
        in_rootfs(root, script, binds=binds, env=settings, network=False, timeout_seconds=_FILL_SECONDS_MAX)
        for part in (DATA, CONFIGURATION):
            kept = folder / "root" / part.lstrip("/")
            kept.parent.mkdir(parents=True)
            run([*COPY, root / part.lstrip("/"), kept], timeout_seconds=600)
    remove_tree(folder / "scratch")


def _roles(words: dict[str, dict[str, str]]) -> str:
    lines = []
    for system in SYSTEMS:
        lines.append(f"CREATE ROLE {system.name} LOGIN PASSWORD '{words[system.name]['password']}';")
        lines.append(f"CREATE DATABASE {system.name} OWNER {system.name};")
    return "\n".join(lines) + "\n"


def _sources(system: AppSystem) -> str:
    """Return a digest of what decides a system's data: its code and its pinned packages, not its looks."""
    found = hashlib.sha256()
    for path in sorted(p for p in system.source.rglob("*") if p.is_file()):
        name = path.relative_to(system.source)
        if "__pycache__" in name.parts or name.parts[0] in ("static", "templates", "bin"):
            continue
        if name.name.startswith("requirements-") and name.name != f"requirements-{system.release}.txt":
            continue
        found.update(f"{name}\0".encode() + path.read_bytes())
    return found.hexdigest()

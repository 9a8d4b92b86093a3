"""`python -m infra.deploy SYSTEM`: what a system's pipeline calls; `dcshift deploy` runs it in its place."""

from __future__ import annotations

import argparse
import datetime
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from catalogue.load import Catalogue, CatalogueError, examine
from catalogue.system import System
from infra import ending, naming
from infra.config import catalogue_folder
from infra.deploy import cluster, release, smoke
from infra.deploy.engine import Stack
from infra.deploy.expectations import Change, rows, told
from infra.deploy.history import is_shared
from infra.ending import UsageError, end, say
from infra.render.stack_files import FOLDER, file_of

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def main() -> int:
    """Deploy, or with `--preview` only judge; returns the exit status."""
    parser = argparse.ArgumentParser(prog="dcshift deploy", description=__doc__)
    parser.add_argument("system", help="the system's id in the catalogue")
    parser.add_argument("--release", help="name of the release; in a lab also the tag of its image")
    parser.add_argument("--image", help="digest, sha256:…; the release is then named after it unless given")
    parser.add_argument("--migrate", action="store_true", help="run the release's schema migration first")
    parser.add_argument("--preview", action="store_true", help="judge what would change, and stop")
    parser.add_argument("--policy-pack", help="rules that every preview and up must satisfy")
    parser.add_argument("--ca", type=Path, help="authority of the public certificate; the machine's own by default")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    return end(lambda: _run(words), as_json=words.json)


def _run(words: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a pipeline that is cancelled is put back like Ctrl-C
    began, started = time.monotonic(), datetime.datetime.now(datetime.UTC)

    def note(text: str) -> None:
        ending.note(f"{time.monotonic() - began:6.1f} s  {text}")

    catalogue = _linted(catalogue_folder(), note)
    system, wanted = _system(catalogue, words.system), _wanted(words, catalogue)
    trusted = smoke.trust(words.ca or (Path(given) if (given := os.environ.get("DCSHIFT_CA")) else None))
    stack, namespace = _stack(system.id, _policy_pack(words.policy_pack), note), naming.app_namespace(system.id)

    def refuse(settings: Mapping[str, str]) -> None:
        from infra.deploy import judging  # late: it brings the whole program along, and wrong words need none of it

        judging.refuse(system.id, settings, note)

    if words.preview:
        found = release.judge(stack, namespace, wanted, refuse, lambda text: None)
        judged = {"system": system.id, "release": wanted.release, **_told(found)}
        say(judged, "\n".join(told(found)), as_json=words.json)
        return 0
    web = system.web
    door = smoke.Door(
        host=f"{web.host}.{catalogue.province.domain}",
        address=catalogue.province.target.zone(system.exposure).gateway_address,
        paths=tuple(dict.fromkeys([web.health, web.ready, *web.pages])),
        trust=trusted,
    )
    done = release.deploy(
        stack,
        namespace,
        wanted,
        smoke=lambda: smoke.faults(door),
        refuse=refuse,
        live_release=lambda: cluster.live_release(namespace),
        hopeless=lambda: cluster.pods_that_cannot_start(namespace, started),
        say=note,
    )
    seconds = time.monotonic() - began
    document: dict[str, Any] = {
        "system": system.id,
        "release": wanted.release,
        **_told(done.changes),
        "contract": done.contract.get("hash"),
        "seconds": round(seconds, 1),
    }
    counts = f"{len(door.paths)} paths answer, {len(done.changes)} objects changed, {seconds:.0f} s"
    say(document, f"{system.id} {wanted.release} serves: {counts}", as_json=words.json)
    return 0


def _linted(folder: Path, note: release.Say) -> Catalogue:
    """Return the catalogue; warnings are said. Raises `CatalogueError` with every fault of every file, of today too."""
    examined = examine(folder, datetime.datetime.now(datetime.UTC))
    if examined.faults or examined.catalogue is None:
        raise CatalogueError(examined.faults)
    for warning in examined.warnings:
        note(f"catalogue: {warning}")
    note(f"catalogue: no fault, {len(examined.warnings)} warnings")
    return examined.catalogue


def _told(found: Sequence[Change]) -> dict[str, Any]:
    return {"changes": [str(each) for each in found], "preview": rows(found)}


def _stack(name: str, policy_pack: str | None, note: release.Say) -> Stack:
    shared, own = is_shared(os.environ.get("PULUMI_BACKEND_URL", ""), FOLDER.parent), file_of(name)
    if shared:
        aside = f"; {own} is not looked at" if own.exists() else ""
        note(f"settings: those of the last update of {name} that came up, from the history of its state{aside}")
    return Stack(name, policy_pack, shared=shared)


def _system(catalogue: Catalogue, given: str) -> System:
    known = [each.id for each in catalogue.systems]
    if given not in known:
        raise UsageError(
            "system-unknown",
            what=f"the catalogue has no system {given!r}",
            why=f"it has {', '.join(known)}",
            state="nothing was changed",
            next=f"dcshift deploy {known[0]} --release …",
        )
    return catalogue.system(given)


def _policy_pack(given: str | None) -> str | None:
    if given is None:
        return None
    pack = Path(given)  # the folder, or the program in it
    described = (pack if pack.is_dir() else pack.parent) / "PulumiPolicy.yaml"
    if pack.exists() and described.is_file():
        return given
    raise UsageError(
        "policy-pack-unusable",
        what=f"--policy-pack {given} is no policy pack",
        why=f"there is no {described if pack.exists() else pack}",
        state="nothing was deployed",
        next="name the folder of a policy pack, or leave the option out",
    )


def _wanted(words: argparse.Namespace, catalogue: Catalogue) -> release.Wanted:
    if words.image and not _DIGEST.fullmatch(words.image):
        wrong = f"--image is {words.image!r}; it must be a digest, sha256: and 64 hexadecimal digits"
    elif not words.image and not words.release:
        wrong = "neither --release nor --image was given"
    elif not words.image and not catalogue.province.is_lab:
        wrong = (
            f"--release {words.release} alone is a tag, which may mean another image tomorrow; the environment is "
            f"{catalogue.province.environment}, and only a lab deploys by tag"
        )
    else:
        named = words.release or f"sha-{words.image[7:19]}"
        return release.Wanted(named, words.image, words.migrate)
    raise UsageError(
        "deployment-unnamed",
        what="it is not clear what shall be deployed",
        why=wrong,
        state="nothing was changed",
        next=f"dcshift deploy {words.system} --release 1.2.3 --image sha256:…",
    )


if __name__ == "__main__":
    sys.exit(main())

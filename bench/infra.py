"""`make bench-infra`: how long a province of many systems takes to build and to bring up, on a real API server."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import measuring, province, results
from bench.progress import Progress, end_in_order
from bench.project import NAMESPACES, Project
from lab.api_server import ApiServer, server_with_kinds
from lab.errors import LabError
from lab.toolchain.plugin import plugin_in_use
from lab.toolchain.tools import KUBERNETES, PULUMI

SIZES: Final = (3, 10, 30)
_STEP_SECONDS_MAX: Final = 3600
_LOGS: Final = Path(__file__).resolve().parents[1] / "build" / "bench"
"""What every step said, with the seconds of each stack; for whoever asks where the time went."""


def measure(systems: int, folder: Path, progress: Progress) -> results.Size:
    """Measure one size on an API server of its own. Raises `LabError`."""
    project = Project(folder, systems)
    project.write()

    def step(name: str, module: str, *words: str, kubeconfig: Path | None = None) -> measuring.Measured:
        def say(text: str) -> None:
            progress.say(f"{systems} systems, {name}: {text}")

        argv = [sys.executable, "-m", module, *words]
        environment = project.environment(kubeconfig)
        log = folder / f"{name.replace(' ', '-')}.log"
        found = measuring.run(argv, env=environment, log=log, say=say, limit_seconds=_STEP_SECONDS_MAX)
        say(f"{found.seconds:.1f} s, {found.cpu_seconds:.1f} s of CPU, {found.peak_memory_bytes / 2**20:.0f} MiB")
        _LOGS.mkdir(parents=True, exist_ok=True)
        (_LOGS / f"{systems}-{log.name}").write_text(found.stdout, encoding="utf-8")
        return found

    built = step("build", "bench.build", str(project.settings))
    progress.say(f"{systems} systems: starting an API server")
    with server_with_kinds(folder / "server") as api:
        _ground(api)

        def up(name: str) -> measuring.Measured:
            return step(name, "bench.up", str(folder), str(project.settings), kubeconfig=api.kubeconfig)

        first, empty = up("first up"), up("empty up")
        _nothing_changed(empty.stdout)
        province.more_replicas(project.catalogue, project.stacks[-1])
        change = up("one change")
    return results.Size(
        systems=systems,
        resources=json.loads(built.stdout.splitlines()[-1])["resources"],
        build_seconds=round(built.seconds, 1),
        first_up_seconds=round(first.seconds, 1),
        empty_up_seconds=round(empty.seconds, 1),
        one_change_seconds=round(change.seconds, 1),
        peak_memory_bytes=max(each.peak_memory_bytes for each in (built, first, empty, change)),
    )


def _ground(api: ApiServer) -> None:
    for name in NAMESPACES:
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        api.create("namespaces", document).raise_for_status()


def _nothing_changed(said: str) -> None:
    """Raise `LabError` if an `up` that should be empty was not: its figure would say nothing."""
    changed = [line for line in said.splitlines() if any(f" {word}" in line for word in ("created", "updated"))]
    if changed:
        raise LabError(
            "bench-not-empty",
            what="a second up of the same province changed something",
            why="; ".join(changed[:5]),
            state="all that was started is stopped; the results of the last bench are unchanged",
            next="find what differs from one run to the next in infra/",
        )


def _versions() -> dict[str, str]:
    return {
        "Python": platform.python_version(),
        "pulumi": PULUMI,
        "pulumi-kubernetes": f"{importlib.metadata.version('pulumi-kubernetes')} ({plugin_in_use()} plugin)",
        "Kubernetes": KUBERNETES,
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measure every size and keep the results; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench-infra", description=__doc__)
    parser.add_argument("--systems", type=int, nargs="+", default=SIZES, help="other sizes, whose results are not kept")
    sizes = tuple(parser.parse_args(words).systems)
    end_in_order()
    progress, found = Progress(), []
    machine = measuring.this_machine()
    try:
        for systems in sizes:
            # A folder of its own each time: nothing of a run that was cut off is ever seen again.
            with tempfile.TemporaryDirectory(prefix="dcshift-bench-") as folder:
                found.append(measure(systems, Path(folder), progress))
        run = results.Infra(
            measured=datetime.datetime.now(datetime.UTC).date().isoformat(),
            versions=_versions(),
            machine=machine,
            sizes=found,
        )
    except LabError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; all that was started is stopped, and the results of the last bench are unchanged\n")
        return 130
    sys.stdout.write(results.table(run))
    if sizes == SIZES:
        results.write(run)
        sys.stdout.write(f"kept in {results.FILE}; make docs writes them into {results.PAGE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

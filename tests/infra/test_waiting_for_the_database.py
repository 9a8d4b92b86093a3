"""Pods that run once wait for their database; the waiting is tried for real, against a port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.loopback import free_ports
from tests.support.declared import Built, built_once

Stacks = Callable[[str], Built]
SYSTEMS = ("portal", "feedback")


def once(built: Built) -> Iterator[dict[str, Any]]:
    """Yield the pods that nobody starts again when they fail."""
    for declared in built.of("Job"):
        yield declared.inputs["spec"]["template"]["spec"]
    for declared in built.of("CronJob"):
        yield declared.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def script(built: Built) -> list[str]:
    words: list[str] = next(once(built))["initContainers"][0]["command"]
    return words


def waiting(words: list[str], port: int) -> subprocess.Popen[str]:
    """Run the init container's own script with this machine's Python."""
    environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(port)}
    return subprocess.Popen([sys.executable, *words[1:]], env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_pod_that_runs_once_waits_first_and_every_other_does_not(name: str) -> None:
    built = built_once(name, {"migrate": "true"})
    assert built.of("Job")
    assert built.of("CronJob")
    pods = list(once(built))
    for pod in pods:
        (first,) = pod["initContainers"]
        assert first["name"] == "wait-for-database"
        (main,) = pod["containers"]
        # It asks for the same database, from the same image, under the same locks.
        for shared in ("image", "securityContext", "resources", "volumeMounts"):
            assert first[shared] == main[shared], shared
        values = {entry["name"]: entry for entry in main["env"]}
        assert all(values[entry["name"]] == entry for entry in first["env"])
        assert {"PGHOST", "PGPORT"} <= {entry["name"] for entry in first["env"]}
        assert first["command"][:2] == [f"/opt/{name}/venv/bin/python3", "-c"]
    for declared in built.of("Deployment"):
        assert "initContainers" not in declared.inputs["spec"]["template"]["spec"]


def test_it_waits_until_the_port_accepts_and_then_lets_the_job_begin(stack: Stacks) -> None:
    port = free_ports(1)[0]
    with waiting(script(stack("portal")), port) as process:
        time.sleep(0.6)
        assert process.poll() is None, "it did not wait"
        with socket.create_server(("127.0.0.1", port)) as server:
            threading.Thread(target=server.accept, daemon=True).start()
            assert process.wait(120) == 0


def test_it_gives_up_within_its_time_and_says_why(stack: Stacks) -> None:
    interpreter, flag, text = script(stack("portal"))
    assert "+ 60\n" in text, "the time that this test shortens has changed"
    with waiting([interpreter, flag, text.replace("+ 60\n", "+ 0.5\n")], free_ports(1)[0]) as process:
        assert process.wait(120) == 1
        assert process.stderr is not None
        said = process.stderr.read()
    assert "the database did not accept a connection" in said
    assert "refused" in said

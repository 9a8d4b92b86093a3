"""Starts the Kubernetes plugin once for many stacks, where it can be shared; else engines start their own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_NAME: Final = "pulumi-resource-kubernetes"
_GOODBYE_SECONDS_MAX: Final = 10


@contextmanager
def shared() -> Iterator[Mapping[str, str]]:
    """Yield the variables with which an engine finds the running plugin; none if there is nothing to share.

    The stand-in is a program on PATH that takes one engine after the other. The official plugin lies in Pulumi's own
    folder and is each engine's child.

    With the stand-in the engine writes a stack's state once, at its end, and not twice for each resource: whatever a
    killed run made carries the field managers of its resources, and the next run takes it for its own (decision 0014).
    """
    program = shutil.which(_NAME)
    if program is None:
        yield {}
        return
    # A session of its own: Ctrl-C is for the engine, which then asks the plugin to stop waiting.
    argv, quiet = [program], subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=quiet, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            shares = {"PULUMI_DEBUG_PROVIDERS": f"kubernetes:{port}", "PULUMI_SKIP_CHECKPOINTS": "true"}
            yield shares if port.isdigit() else {}
        finally:
            process.terminate()
            try:
                process.wait(_GOODBYE_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()

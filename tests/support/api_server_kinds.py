"""An API server of a test's own that knows the operators' kinds too; skips the test where the cache lacks something."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.project import NAMESPACES
from lab import api_server
from lab.api_server import ApiServer
from lab.errors import LabError
from lab.toolchain import tool_path


@contextlib.contextmanager
def server_with_kinds(folder: Path) -> Iterator[ApiServer]:
    """Start one, and make the definitions of all operators in it; nothing else."""
    try:
        starting = contextlib.ExitStack()
        made = starting.enter_context(api_server.server_with_kinds(folder))
    except LabError as missing:
        if missing.code not in ("tool-missing", "no-operators-manifests"):
            raise
        pytest.skip(f"lacks something: {missing.what}")
    with starting:
        yield made


@contextlib.contextmanager
def server_for_stacks(folder: Path) -> Iterator[ApiServer]:
    """Start one in which every stack may be applied by the real engine: what is there before them is there, too."""
    try:
        tool_path("pulumi")
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    with server_with_kinds(folder) as server:
        for name in NAMESPACES:
            answer = server.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            assert answer.status_code == 201, answer.text
        yield server

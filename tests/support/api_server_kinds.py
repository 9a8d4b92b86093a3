"""An API server of a test's own that knows the operators' kinds too; skips the test where the cache lacks something."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.paths import cache
from lab.toolchain import tool_path
from tests.support.api_server import ApiServer, api_server


@contextlib.contextmanager
def server_with_kinds(folder: Path) -> Iterator[ApiServer]:
    """Start one, and make the definitions of all operators in it; nothing else."""
    try:
        for name in ("etcd", "kube-apiserver"):
            tool_path(name)
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    files = sorted((cache() / "manifests").glob("*/*.yaml"))
    if not files:
        pytest.skip("the cache has no operators' manifests yet: make setup")
    with api_server(folder) as api:
        made = []
        for file in files:
            for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
                if document and document["kind"] == "CustomResourceDefinition":
                    answer = api.create("customresourcedefinitions", document)
                    assert answer.status_code == 201, answer.text
                    made.append(document["spec"])
        _until_served(api, made)
        yield api


def _until_served(api: ApiServer, made: list[Any], limit_seconds: float = 60) -> None:
    """Wait: a definition is taken at once, and served a moment later."""
    end = time.monotonic() + limit_seconds
    for spec in made:
        wanted = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"
        while spec["names"]["kind"] not in api.client.get(wanted).text:
            assert time.monotonic() < end, f"{spec['names']['kind']} is not served"
            time.sleep(0.2)

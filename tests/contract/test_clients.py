"""No client of ours goes through the machine's proxy: the hosts that we ask are the province's own."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLS = {"Client", "AsyncClient", "get", "post", "put", "request", "stream"}


def made() -> list[tuple[str, ast.Call]]:
    """Return every call that makes a client of httpx or asks without one."""
    found = []
    for package in ("migration", "lab", "infra"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                function = getattr(node, "func", None)
                if not isinstance(node, ast.Call) or not isinstance(function, ast.Attribute):
                    continue
                if isinstance(function.value, ast.Name) and function.value.id == "httpx" and function.attr in CALLS:
                    found.append((f"{file.relative_to(ROOT)}:{node.lineno}", node))
    return found


def test_every_client_leaves_the_machines_proxy_alone() -> None:
    clients = made()
    assert len(clients) > 5
    assert [
        where
        for where, call in clients
        if not any(
            word.arg == "trust_env" and isinstance(word.value, ast.Constant) and word.value.value is False
            for word in call.keywords
        )
    ] == []

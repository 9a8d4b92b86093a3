"""Objects of a stack as manifests: one file each, always in the same words; it never writes a secret."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from infra.errors import InfraError
from infra.render.declared import Built, Declared

LIST: Final = "SHA256SUMS"
CLUSTER: Final = "cluster"
_FIRST: Final = ("apiVersion", "kind", "metadata")
# How the engine marks a secret value inside any other.
_SECRET_MARK: Final = "4dabf18193072939515e22adb298388d"  # noqa: S105  a public constant of the engine's protocol


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as people write it, so that a review can read it."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object: where it is kept below the stack's folder, and what it says."""

    path: str
    document: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    @property
    def text(self) -> str:
        """Return its YAML; equal objects have equal bytes."""
        return yaml.dump(self.document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def manifests(built: Built) -> list[Manifest]:
    """Return every object of a stack, ordered by path. Raises `InfraError` for a secret, or for two under one path."""
    found: dict[str, Manifest] = {}
    for declared in built.objects:
        made = _manifest(built.stack, declared)
        if made.path in found:
            raise InfraError(
                "objects-collide",
                what=f"stack {built.stack} declares {declared.identity} twice",
                why="two objects of one kind, namespace and name are one object to the cluster: the later would win",
                state="nothing of this stack was written",
                next="give one of both another name in infra/",
            )
        found[made.path] = made
    return [found[path] for path in sorted(found)]


def write(folder: Path, made: Iterable[Manifest]) -> int:
    """Make a stack's folder say exactly this and return how many files changed.

    Only files that an earlier rendering listed are ever taken away: whatever else lies there is not ours.
    """
    changed, lines = 0, []
    for manifest in made:
        lines.append(f"{manifest.sha256}  {manifest.path}\n")
        file = folder / manifest.path
        if not file.is_file() or file.read_bytes() != manifest.text.encode():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(manifest.text, encoding="utf-8")
            changed += 1
    kept = {line.rstrip("\n").partition("  ")[2] for line in lines}
    for path in sorted(_listed(folder) - kept):
        (folder / path).unlink(missing_ok=True)
        changed += 1
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LIST).write_text("".join(lines), encoding="utf-8")
    return changed


def _listed(folder: Path) -> set[str]:
    file = folder / LIST
    if not file.is_file():
        return set()
    paths = {line.partition("  ")[2] for line in file.read_text(encoding="utf-8").splitlines()}
    # A list that somebody edited must not lead out of the folder.
    return {path for path in paths if re.fullmatch(r"[a-z0-9-]+/[a-z0-9.-]+\.yaml", path)}


def _manifest(stack: str, declared: Declared) -> Manifest:
    document = _ordered(declared.inputs)
    if declared.kind == "Secret" or _holds_secret(document):
        raise InfraError(
            "secret-in-manifest",
            what=f"{declared.identity} of stack {stack} holds a secret",
            why="secrets are made in the cluster by python -m infra.provide; no stack may declare one",
            state="nothing of this stack was written",
            next="refer to the Secret by its name instead",
        )
    metadata = document["metadata"]
    file = f"{document['kind'].lower()}-{metadata['name']}.yaml"
    return Manifest(f"{metadata.get('namespace', CLUSTER)}/{file}", document)


def _ordered(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return it in one order: mocks hand over the fields of an object in a different one at each run."""
    first = {key: inputs[key] for key in _FIRST if key in inputs}
    return {key: _sorted(value) for key, value in (*first.items(), *sorted(inputs.items()))}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return _SECRET_MARK in value or any(_holds_secret(item) for item in value.values())
    return isinstance(value, list) and any(_holds_secret(item) for item in value)

"""The target contract within one schema version: what was written once is read for ever; fields come, none goes."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from catalogue.target import TargetContract, contract_hash, written_hash
from tests.support.additive import Fields, broken, fields
from tests.support.declared import built_once
from tests.unit.catalogue.everything import paths, without

Document = dict[str, Any]
VERSION = 1
KEPT = Path(__file__).parent / f"target-contract-v{VERSION}.json"
"""Every field of this version with what it was when it came. Rows are added and never changed: see `test_…is_kept`."""


def now() -> Fields:
    return fields(TargetContract.model_json_schema())


def kept() -> Fields:
    found: Fields = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def test_the_contract_only_grows_within_its_version() -> None:
    assert now()["schema_version"]["may_be"] == [f"one of ['{VERSION}']"], f"a new version begins a file beside {KEPT}"
    assert broken(kept(), now()) == [], "a contract that lies in some cluster would be refused: raise schema_version"


def test_every_field_is_kept() -> None:
    """A field that came is as safe from then on as the first ones; a row that stands there is never written again."""
    new = {path: field for path, field in now().items() if path not in kept()}
    if os.environ.get("DCSHIFT_GOLDEN") == "write" and not broken(kept(), now()):
        rows = (f"{json.dumps(path)}: {json.dumps(field)}" for path, field in {**kept(), **new}.items())
        KEPT.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
        return
    assert not new, f"if they are meant: DCSHIFT_GOLDEN=write pytest {Path(__file__).name}"


def test_the_oldest_contract_of_this_version_is_still_read() -> None:
    """As the first release wrote it: with nothing that joined later."""
    document: Document = copy.deepcopy(built_once("portal").outputs["contract"])
    required = {path for path, field in kept().items() if field["required"]}
    dropped = [path for path in paths(document) if isinstance(path[-1], str) and _named(path) in set(kept()) - required]
    assert {_named(path) for path in dropped} >= {"workers", "database.backup", "database.pooler"}
    for path in sorted(dropped, key=len):
        document = without(document, path)
    document["hash"] = contract_hash(document)
    read = TargetContract.model_validate(document)
    assert written_hash(read) == document["hash"]


def _named(path: tuple[str | int, ...]) -> str:
    named = ""
    for step in path:
        named += "[]" if isinstance(step, int) else f".{step}"
    return named.lstrip(".")


SCHEMA = TargetContract.model_json_schema()


def changes() -> list[tuple[str, str, str]]:
    """Return each change that may not be: what is done, to which model (none: the contract itself), to which field."""
    found = []
    for model, definition in (("", SCHEMA), *SCHEMA["$defs"].items()):
        for name, field in definition["properties"].items():
            found += [(what, model, name) for what in ("taken away", "another type", "narrowed")]
            found += [("made required", model, name)] if name not in definition["required"] else []
            assert field
        found.append(("a new one, required", model, "colour"))
    return found


@pytest.mark.parametrize(("what", "model", "name"), changes())
def test_a_change_that_would_refuse_an_older_contract_is_found(what: str, model: str, name: str) -> None:
    changed = copy.deepcopy(SCHEMA)
    definition = changed["$defs"][model] if model else changed
    properties, required = definition["properties"], definition["required"]
    match what:
        case "taken away":
            del properties[name]
            definition["required"] = [each for each in required if each != name]
        case "made required":
            required.append(name)
        case "another type":
            properties[name] = {"type": "boolean"}
        case "narrowed":
            properties[name] = {"enum": ["one"], "type": "string"}
        case "a new one, required":
            properties[name] = {"type": "string"}
            required.append(name)
    assert any(name in told for told in broken(now(), fields(changed)))


@pytest.mark.parametrize("model", ["", *SCHEMA["$defs"]])
def test_a_field_that_joins_without_being_asked_for_is_no_break(model: str) -> None:
    changed = copy.deepcopy(SCHEMA)
    changed["$defs"]["Painted"] = {"type": "object", "properties": {"hue": {"type": "string"}}, "required": ["hue"]}
    definition = changed["$defs"][model] if model else changed
    definition["properties"]["paint"] = {"anyOf": [{"$ref": "#/$defs/Painted"}, {"type": "null"}]}
    assert broken(now(), fields(changed)) == []
    assert broken(fields(changed), now()) != []

"""Every field of a target contract spoilt: the migration refuses it in a sentence that names it, and plans nothing."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.target import TargetContract, contract_hash
from migration import checks, planner
from migration.errors import UsageError
from migration.model.plan import Plan
from migration.model.words import Finding
from migration.ports import Cluster
from migration.wiring import Workspace, usable
from tests.support.declared import built_once
from tests.support.examples import EXAMPLE, catalogue, contracts, inventory
from tests.support.workspace import Terminal
from tests.unit.catalogue.everything import at, paths, replaced, without

Document = dict[str, Any]
Path_ = tuple[str | int, ...]
OPTIONAL = {"workers", "volumes", "database.backup", "database.pooler", "level", "norms"}
"""Parts that joined the first version later."""
FREE = {"limits"}
"""Words of the platform's own: the hash alone holds them."""


@dataclasses.dataclass(frozen=True)
class OneContract(Workspace):
    """The real workspace before a cluster that holds this one document."""

    held: Any = None

    @cached_property
    def cluster(self) -> Cluster:
        return _Holding(self.held)


@dataclasses.dataclass(frozen=True)
class _Holding:
    held: Any

    def read_contract(self, namespace: str) -> Any:
        assert namespace == "httt-portal-app"
        return copy.deepcopy(self.held)


def exported() -> Document:
    """Return portal's contract as its stack exports it, with a volume: so it has a part of every kind."""
    found: Document = copy.deepcopy(built_once("portal").outputs["contract"])
    place = {"namespace": "httt-portal-app", "claim": "portal-files-templates", "path": "/opt/portal/templates"}
    found["volumes"] = [{"name": "templates", **place, "access": "many-pods", "storage": "5Gi"}]
    return {**found, "hash": contract_hash(found)}


CONTRACT = exported()
FIELDS = paths(CONTRACT)


def read(document: Any) -> TargetContract | str:
    """Return what the migration makes of what lies in the cluster."""
    nowhere = Path("/nonexistent")
    return OneContract(EXAMPLE, nowhere, nowhere, nowhere, None, document).contracts(["portal"])["portal"]


def findings(document: Any) -> list[Finding]:
    """Return what is held against a move whose plan was made with the contract as it was exported."""
    return checks.contract_findings(_planned(), catalogue(), _made_for(), {"portal": read(document)}, ["portal"])


@functools.cache
def _made_for() -> dict[str, TargetContract]:
    found = read(CONTRACT)
    assert isinstance(found, TargetContract), found
    return {**contracts(), "portal": found}


@functools.cache
def _planned() -> Plan:
    return planner.plan(catalogue(), inventory(), _made_for())


def refusal(document: Any) -> str:
    """Return the sentence of the refusal, seen to be one finding that blocks and one error in four thoughts."""
    why = read(document)
    assert isinstance(why, str), f"it was taken: {document}"
    with pytest.raises(UsageError) as told:
        usable({"portal": why})
    assert (told.value.code, told.value.state) == ("contract-missing", "nothing was changed")
    assert why in told.value.why
    assert told.value.next
    (found,) = findings(document)
    assert (found.code, checks.blocks([found])) == ("contract-missing", True)
    assert "\n" not in why
    assert "pydantic" not in why
    return why


def dotted(path: Path_) -> str:
    return ".".join(str(step) for step in path)


def named(path: Path_) -> Path_:
    """Return the way to a field without the places in lists, as `OPTIONAL` and `FREE` know it."""
    return tuple(step for step in path if isinstance(step, str))


def mappings() -> Iterator[Path_]:
    yield from (path for path in [(), *FIELDS] if isinstance(at(CONTRACT, path), dict))


def test_the_example_has_every_field_that_a_contract_may_have() -> None:
    told = {named(path) for path in FIELDS}
    assert _every_field(TargetContract.model_json_schema()) <= told
    assert findings(CONTRACT) == []


def _every_field(schema: Document, path: tuple[str, ...] = (), whole: Document | None = None) -> set[tuple[str, ...]]:
    whole = whole or schema
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    found = {path} if path else set()
    for choice in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        found |= _every_field(choice, path, whole)
    for name, inner in schema.get("properties", {}).items():
        found |= _every_field(inner, (*path, name), whole)
    return found


@pytest.mark.parametrize("path", FIELDS, ids=dotted)
def test_a_field_that_is_missing_is_named(path: Path_) -> None:
    spoilt = without(CONTRACT, path)
    if isinstance(path[-1], int) or dotted(named(path)) in OPTIONAL or named(path)[0] in FREE - {dotted(path)}:
        # A part fewer, not a field: it is another contract than the planned one.
        assert {found.code for found in findings(spoilt)} == {"contract-altered"}
    else:
        assert f"{dotted(path)} is missing" in refusal(spoilt)


@pytest.mark.parametrize("path", list(mappings()), ids=dotted)
def test_a_field_that_nobody_knows_is_named(path: Path_) -> None:
    spoilt = replaced(CONTRACT, (*path, "colour"), "blue")
    if dotted(path) in FREE:
        assert {found.code for found in findings(spoilt)} == {"contract-altered"}
    else:
        assert f"{dotted((*path, 'colour'))} is not a known key" in refusal(spoilt)


@pytest.mark.parametrize("path", FIELDS, ids=dotted)
def test_a_value_of_another_kind_is_named(path: Path_) -> None:
    wrong: list[Any] = [12.5, [[1]], {"zz": {"zz": 1}}]
    # `true` is 1 to the constant of the version, and says nothing else.
    wrong += [] if path == ("schema_version",) else [True]
    wrong += [] if dotted(path) in OPTIONAL else [None]
    for value in wrong:
        assert dotted(path) in refusal(replaced(CONTRACT, path, value)), value


@pytest.mark.parametrize("path", [path for path in FIELDS if isinstance(at(CONTRACT, path), str | int)], ids=dotted)
def test_a_value_that_was_changed_is_seen_with_the_old_hash_and_with_a_new_one(path: Path_) -> None:
    if path == ("schema_version",):
        assert "schema_version is 2: input should be 1" in refusal(replaced(CONTRACT, path, 2))
        return
    value = at(CONTRACT, path)
    other = (
        value + 1
        if isinstance(value, int)
        else ("0" if value[0] != "0" else "1") + value[1:]
        if _is_hash(path)
        else f"{value}x"
    )
    altered = replaced(CONTRACT, path, other)
    assert "contract-altered" in {found.code for found in findings(altered)}
    if path != ("hash",):
        codes = {found.code for found in findings({**altered, "hash": contract_hash(altered)})}
        special = {
            "system": "contract-of-another-system",
            "environment": "contract-of-another-environment",
            "level": "contract-of-another-level",
            "norms": "contract-of-other-norms",
        }
        assert codes == {"contract-changed", *([special[dotted(path)]] if dotted(path) in special else [])}


def _is_hash(path: Path_) -> bool:
    return str(path[-1]).endswith("hash")


@pytest.mark.parametrize("document", [None, [], "contract", 5, {}, {"schema_version": 2}], ids=repr)
def test_what_is_no_contract_at_all_is_refused(document: Any) -> None:
    assert "it is not a contract of this version: " in refusal(document)


@given(
    st.sampled_from(FIELDS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_no_value_at_all_passes_unseen_or_makes_a_traceback(path: Path_, value: Any) -> None:
    spoilt = replaced(CONTRACT, path, value)
    found = findings(spoilt)
    assert checks.blocks(found) or spoilt == CONTRACT
    assert all(each.what and each.next for each in found)


def test_a_contract_of_a_stack_that_is_older_than_a_part_keeps_its_hash_and_is_taken() -> None:
    older = without(without(without(CONTRACT, ("workers",)), ("database", "pooler")), ("database", "backup"))
    older["hash"] = contract_hash(older)
    codes = {found.code for found in findings(older)}
    assert codes == {"contract-changed"}, "it is whole, and not the one that was planned with"


def test_a_plan_refuses_it_before_it_is_made() -> None:
    terminal = Terminal()
    terminal.type("survey")
    why = refusal(without(CONTRACT, ("web", "route")))
    terminal.workspace = dataclasses.replace(terminal.workspace, targets={**terminal.workspace.targets, "portal": why})
    status, _, said = terminal.type("plan")
    assert status == 2
    assert "error[contract-missing]" in said
    assert "web.route is missing" in said
    assert not terminal.workspace.plans.exists()

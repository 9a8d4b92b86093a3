"""The plan of the example province, and what every plan must keep."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from migration import planner, store
from migration.errors import BlockedError, UsageError
from migration.model.words import Component, Stage
from migration.stages import registry
from tests.support.examples import catalogue, contracts, example_plan, inventory


def test_each_part_of_a_plan_has_a_handler_and_the_reverse() -> None:
    assert set(planner.parts()) == registry.parts()


def test_the_same_inputs_give_the_same_plan_and_any_change_another() -> None:
    plan = example_plan()
    again = planner.plan(catalogue(), inventory(), contracts())
    assert plan.id == again.id
    changed = dataclasses.replace(plan.steps[0], budget_seconds=1.0)
    assert dataclasses.replace(plan, steps=(changed, *plan.steps[1:])).id != plan.id


def test_the_order_of_one_system_is_the_promise() -> None:
    order = [f"{step.stage}/{step.component}" for step in example_plan("portal").steps]
    assert order == [
        "prepare/traffic", "prepare/database", "prepare/files", "prepare/jobs", "prepare/web",
        "replicate/database", "replicate/files",
        "quiesce/files", "quiesce/jobs", "quiesce/traffic", "quiesce/web", "quiesce/database",
        "cutover/database", "cutover/files", "cutover/web", "cutover/traffic", "cutover/jobs",
        "watch/web", "watch/jobs", "watch/database", "watch/files", "watch/traffic",
    ]  # fmt: skip


def test_citizens_wait_only_from_the_hold_to_the_release() -> None:
    steps = example_plan("portal").steps
    held = [step for step in steps if step.holds_users]
    assert held == list(steps[steps.index(held[0]) : steps.index(held[-1]) + 1])
    assert (held[0].component, held[0].stage) == (Component.TRAFFIC, Stage.QUIESCE)
    assert held[-1].point_of_no_return
    assert sum(step.point_of_no_return for step in steps) == 1


def test_the_whole_freeze_takes_the_same_leases_so_that_none_is_given_back_in_it() -> None:
    freeze = [step for step in example_plan("portal").steps if step.stage in (Stage.QUIESCE, Stage.CUTOVER)]
    assert {step.leases for step in freeze} == {freeze[0].leases}
    assert set(freeze[0].leases) == {"system:portal", "host:db1", "host:app1", "host:files1", "host:edge1"}


def test_waves_come_one_after_another_and_ids_name_them() -> None:
    plan = example_plan()
    assert plan.systems() == ("portal", "feedback")
    assert [step.wave for step in plan.steps] == sorted(step.wave for step in plan.steps)
    assert len({step.id for step in plan.steps}) == len(plan.steps) == 44
    assert plan.step("wave-2/feedback/database/cutover").system == "feedback"


def test_systems_of_one_wave_are_copied_side_by_side_and_cut_over_one_by_one() -> None:
    province = catalogue()
    together = tuple(system.model_copy(update={"wave": 1}) for system in province.systems)
    plan = planner.plan(dataclasses.replace(province, systems=together), inventory(), contracts())
    order = [(step.system, step.stage) for step in plan.steps]
    last_copy = max(i for i, (_, stage) in enumerate(order) if stage is Stage.REPLICATE)
    first_freeze = min(i for i, (_, stage) in enumerate(order) if stage is Stage.QUIESCE)
    assert last_copy < first_freeze
    portal = [i for i, (system, stage) in enumerate(order) if system == "portal" and stage is Stage.QUIESCE]
    feedback = [i for i, (system, stage) in enumerate(order) if system == "feedback" and stage is Stage.WATCH]
    assert max(feedback) < min(portal)


@pytest.mark.parametrize(
    ("systems", "missing", "code"),
    [(["gis"], None, "system-unknown"), (["portal"], "inventory", "system-not-surveyed"),
     (["portal"], "contract", "contract-missing")],
)  # fmt: skip
def test_what_is_not_known_cannot_be_planned(systems: list[str], missing: str | None, code: str) -> None:
    seen, targets = inventory(), contracts()
    if missing == "inventory":
        seen = seen.model_copy(update={"systems": {}})
    if missing == "contract":
        targets = {}
    with pytest.raises(UsageError) as refused:
        planner.plan(catalogue(), seen, targets, systems=systems)
    assert refused.value.code == code


def test_the_engine_of_each_database_is_chosen_and_the_plan_says_why() -> None:
    plan = example_plan()
    assert [(engine.system, engine.name) for engine in plan.engines] == [("feedback", "logical"), ("portal", "logical")]
    portal = plan.engine("portal")
    assert portal is not None
    assert portal.why == (
        "the target is the CloudNativePG cluster portal-db, into which its operator alone puts files; "
        "400,000,000 bytes are copied row by row sooner"
    )
    assert example_plan("portal").engine("feedback") is None


def test_an_order_that_says_what_is_chosen_anyway_makes_the_same_plan() -> None:
    ordered = planner.plan(catalogue(), inventory(), contracts(), engine="logical")
    assert ordered.id == example_plan().id


def test_files_are_not_put_into_a_cluster_by_order_and_every_database_is_named() -> None:
    with pytest.raises(BlockedError) as refused:
        planner.plan(catalogue(), inventory(), contracts(), engine="physical")
    assert refused.value.code == "engine-not-possible"
    assert "portal: the target is the CloudNativePG cluster portal-db" in refused.value.why
    assert "feedback: the target is the CloudNativePG cluster feedback-db" in refused.value.why
    assert "a PostgreSQL host of yours" in refused.value.next
    assert refused.value.exit_code == 3


def test_a_plan_that_is_older_than_the_choice_keeps_its_name_and_is_read(tmp_path: Path) -> None:
    older = dataclasses.replace(example_plan(), engines=())
    content = {name: value for name, value in dataclasses.asdict(older).items() if name != "engines"}
    assert older.id == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path = store.save(tmp_path, store.Pinned(older, catalogue(), inventory(), contracts()))
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["plan"].pop("engines") == []  # as its file was written then
    path.chmod(0o644)
    path.write_text(json.dumps(document), encoding="utf-8")
    read = store.load(tmp_path).plan
    assert read == older
    assert read.engine("portal") is None

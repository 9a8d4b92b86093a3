"""Norm sets: typed, monotone through the levels, honest about what nobody compared with the law."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogue import norms, norms_page
from catalogue.controls import FIELDS, IDS, WORDS, Controls, Value, rank
from catalogue.reading import CatalogueError
from catalogue.unanswered import UP_TO
from infra.reference import controls
from infra.rules.book import RULES

SETS = [norms.named(name) for name in norms.known()]
IDS_OF_SETS = [each.id for each in SETS]


def _written(tmp_path: Path, find: str, replace: str) -> Path:
    text = (norms.FOLDER / "vn-2016.yaml").read_text(encoding="utf-8")
    assert find in text
    path = tmp_path / "vn-2016.yaml"
    path.write_text(text.replace(find, replace, 1), encoding="utf-8")
    return path


def test_both_sets_come_with_the_program_the_oldest_first() -> None:
    assert norms.known() == ("vn-2016", "vn-2026")
    with pytest.raises(KeyError, match="vn-2016, vn-2026"):
        norms.named("vn-1999")


@pytest.mark.parametrize("norm_set", SETS, ids=IDS_OF_SETS)
def test_every_control_has_one_row_with_both_languages_and_a_reference(norm_set: norms.NormSet) -> None:
    assert sorted(row.id for row in norm_set.controls) == sorted(IDS)
    assert len(IDS) == len(FIELDS) >= 30
    for row in norm_set.controls:
        assert row.sentence.vi != row.sentence.en
        assert norm_set.citation(row.id).count(", ") >= 1


@pytest.mark.parametrize("norm_set", SETS, ids=IDS_OF_SETS)
def test_no_row_claims_to_be_verified_before_somebody_has_read_the_text(norm_set: norms.NormSet) -> None:
    # Whoever verifies a row names its article here.
    verified: dict[str, str] = {}
    assert {row.id for row in norm_set.controls if row.verified} == verified.keys()
    assert len(norm_set.unverified) == len(norm_set.controls)


@given(st.sampled_from(SETS), st.sampled_from(norms.LEVELS), st.sampled_from(norms.LEVELS))
def test_a_higher_level_asks_for_all_that_a_lower_one_does(norm_set: norms.NormSet, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert norms.controls(norm_set, high).covers(norms.controls(norm_set, low))


def _values(control: str) -> st.SearchStrategy[Value]:
    name = IDS[control]
    if name in WORDS:
        return st.sampled_from(WORDS[name])
    annotation = str(Controls.model_fields[name].annotation)
    if annotation == "<class 'bool'>":
        return st.booleans()
    numbers = st.integers(min_value=1, max_value=400)
    return st.none() | numbers if "None" in annotation else numbers


@st.composite
def _rows(draw: st.DrawFn) -> tuple[str, list[Value]]:
    control = draw(st.sampled_from(sorted(IDS)))
    values = draw(st.lists(_values(control), min_size=5, max_size=5))
    if draw(st.booleans()):
        values.sort(key=lambda value: rank(IDS[control], value))
    return control, values


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_rows())
def test_a_set_is_read_exactly_if_no_level_asks_for_less_than_the_one_below(row: tuple[str, list[Value]]) -> None:
    control, values = row
    content = yaml.safe_load((norms.FOLDER / "vn-2016.yaml").read_text(encoding="utf-8"))
    next(each for each in content["controls"] if each["id"] == control)["levels"] = values
    ranks = [rank(IDS[control], value) for value in values]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vn-2016.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        if ranks == sorted(ranks):
            read = norms.read(path)
            assert [getattr(norms.controls(read, level), IDS[control]) for level in norms.LEVELS] == values
            return
        with pytest.raises(CatalogueError) as caught:
            norms.read(path)
    assert all(control in fault.sentence and "may not ask for less" in fault.sentence for fault in caught.value.faults)
    assert all(fault.line > 1 for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("name", "weak", "strict"),
    [
        ("replicas_min", 1, 2),
        ("backup_every_hours", 168, 24),
        ("backup_every_hours", None, 10_000),
        ("restore_drill_every_days", 30, 7),
        ("log_retention_days_min", None, 30),
        ("log_retention_days_min", 30, 90),
        ("postgres_sync", "none", "async"),
        ("postgres_sync", "async", "quorum"),
        ("encryption_in_transit", "edge", "pod"),
        ("pod_security", "baseline", "restricted"),
        ("own_cluster", False, True),
    ],
)
def test_which_value_asks_for_more(name: str, weak: Value, strict: Value) -> None:
    assert rank(name, weak) < rank(name, strict)


@pytest.mark.parametrize(
    ("find", "replace", "sentence"),
    [
        ("levels: [1, 2, 2, 3, 3]", "levels: [1, 3, 2, 3, 3]", "replicas-min is 2 at level 3 and 3 at level 2"),
        ("levels: [1, 2, 2, 3, 3]", "levels: [1, 2, two, 3, 3]", "at level 3 replicas-min is 'two'"),
        ("levels: [1, 2, 2, 3, 3]", "levels: [1, 2, 2, 3]", "should have at least 5 items"),
        ("levels: [none, async, async,", "levels: [none, async, later,", "at level 3 postgres-sync is 'later'"),
        ("- id: replicas-min", "- id: replicas-most", "control 'replicas-most' is not known"),
        ("- id: replicas-min", "- id: spread", "control 'spread' is given twice"),
        ("- id: replicas-min", "- id: spread", "control 'replicas-min' is missing"),
        ("text: tt-12-2022", "text: tt-13-2022", "which is not in texts"),
        ("id: vn-2016", "id: vn-2015", "the file is called vn-2016.yaml"),
        ("    verified: false", "    verified: maybe", "verified is 'maybe'"),
    ],
)
def test_a_fault_of_a_set_names_its_line(tmp_path: Path, find: str, replace: str, sentence: str) -> None:
    path = _written(tmp_path, find, replace)
    with pytest.raises(CatalogueError) as caught:
        norms.read(path)
    matching = [fault for fault in caught.value.faults if sentence in fault.sentence]
    assert matching, caught.value
    if "missing" not in sentence:
        changed = path.read_text(encoding="utf-8").splitlines()[matching[0].line - 1]
        assert replace in changed


def test_a_level_that_does_not_exist_has_no_controls() -> None:
    with pytest.raises(ValueError, match="level 6"):
        norms.controls(SETS[0], 6)


def test_a_change_of_sets_says_what_each_level_must_do_more() -> None:
    old, new = norms.named("vn-2016"), norms.named("vn-2026")
    changes = {change.control: change for change in norms.differences(old, new, 3)}
    assert changes["log-retention-days-min"].source == 90
    assert changes["log-retention-days-min"].target == 365
    assert changes["log-retention-days-min"].stricter
    assert not changes["log-retention-days-min"].verified
    assert changes["log-retention-days-min"].reference.startswith("116/2025/QH15, ")
    back = {change.control: change for change in norms.differences(new, old, 3)}
    assert back.keys() == changes.keys()
    assert not back["log-retention-days-min"].stricter
    assert norms.differences(old, old, 3) == ()


def test_the_page_for_auditors_is_fresh_and_warns_first() -> None:
    page = norms_page.PAGE.read_text(encoding="utf-8")
    assert page == norms_page.render(controls.carried_out()), "make docs"
    assert page.index("no row below was compared") < page.index("| control |")
    assert all(f"| {control} | " in page for control in IDS)


def test_who_carries_a_control_out_is_read_off_the_code_and_the_rules() -> None:
    found = controls.carried_out()
    assert found.keys() == IDS.keys()
    assert found["replicas-min"] == (
        "`catalogue/demand.py`, `infra/config.py`; rules `replicas-of-level`, `pooler-instances-of-level`"
    )
    assert found["backup-object-lock"] == "`infra/provide.py`"
    assert found["second-site"] == controls.NOBODY
    assert found["soc-sink"].startswith(f"{controls.NOBODY} by level; at every one: ")


def test_a_control_that_lost_its_last_rule_and_reader_is_named_as_nobodys() -> None:
    """The danger: a row that promises what was taken out of the code."""
    left = [rule for rule in RULES if rule.law != "replicas-min"]
    assert controls.carried_out(left)["replicas-min"] == "`catalogue/demand.py`, `infra/config.py`"
    assert controls.carried_out(left, {})["replicas-min"] == controls.NOBODY


def test_what_is_there_at_every_level_is_said_only_of_what_no_level_changes() -> None:
    found = controls.carried_out()
    assert {
        name for name, by in found.items() if by.startswith(f"{controls.NOBODY} by")
    } == controls.AT_EVERY_LEVEL.keys()


def test_what_owners_are_told_is_what_the_page_says_of_nobody() -> None:
    """What gains a reader or loses its last one changes the page, and must change what `catalogue check` says."""
    found = controls.carried_out()
    nobody = {name for name, by in found.items() if by == controls.NOBODY}
    in_part = {name for name, by in found.items() if by.endswith(f"beyond it {controls.NOBODY}")}
    assert nobody | in_part == UP_TO.keys()
    assert in_part == {"encryption-in-transit"}

"""The catalogue's loader: all faults at once, with lines, and never a traceback."""

from pathlib import Path

import pytest

from catalogue import schemas
from catalogue.load import CatalogueError, load

EXAMPLE = Path(__file__).parents[3] / "catalogue" / "khanh-hoa"


def _copy(tmp_path: Path, file: str, find: str, replace: str) -> Path:
    for source in EXAMPLE.glob("*.yaml"):
        text = source.read_text(encoding="utf-8")
        if source.name == file:
            assert find in text
            text = text.replace(find, replace)
        (tmp_path / source.name).write_text(text, encoding="utf-8")
    return tmp_path


def test_each_file_of_the_catalogue_begins_with_the_schema_that_an_editor_needs() -> None:
    files = sorted(EXAMPLE.parent.rglob("*.yaml"))
    assert {file.parent.name for file in files} == {"khanh-hoa", "norms"}
    for file in files:
        first = file.read_text(encoding="utf-8").partition("\n")[0]
        hint, _, named = first.partition("=")
        assert hint == "# yaml-language-server: $schema", file
        kind = "norms" if file.parent.name == "norms" else "province" if file.stem == "province" else "system"
        assert (file.parent / named).resolve() == schemas.path(kind), file


def test_the_example_province_is_right() -> None:
    catalogue = load(EXAMPLE)
    assert [system.id for system in catalogue.systems] == ["feedback", "portal"]
    assert catalogue.system("portal").wave == 1


@pytest.mark.parametrize(
    ("file", "find", "replace", "sentence"),
    [
        ("portal.yaml", "level: 3", "level: 3\ncolour: blue", "colour is not a known key"),
        ("portal.yaml", "level: 3", "level: three", "level is 'three'"),
        ("portal.yaml", "level: 3\n", "", "level is missing"),
        ("portal.yaml", "wave: 1", "wave: 1\nwave: 2", "the key 'wave' is given twice"),
        ("portal.yaml", "id: portal", "id: feedback", "id 'feedback' is already used in"),
        ("portal.yaml", "host: dichvucong", "host: phananh", "web.host 'phananh' is already used in"),
        ("portal.yaml", "database: {host: db1", "database: {host: db9", "host 'db9' is not in the province's"),
        ("portal.yaml", "integrations: []", "integrations: [gis]", "integration 'gis' is not a system"),
        ("portal.yaml", "files: {uploads:", "files: {loads:", "must name the same parts"),
        ("province.yaml", "windows: []", 'windows: [{name: night, start: "25:00", end: "04:00"}]', "windows.0.start"),
        ("province.yaml", "windows: []", 'windows: [{name: never, start: "04:00", end: "04:00"}]', "no cut could fit"),
        ("portal.yaml", "level: 3", "level: [3", "this is not YAML"),
    ],
)
def test_a_fault_names_file_line_and_reason(tmp_path: Path, file: str, find: str, replace: str, sentence: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(_copy(tmp_path, file, find, replace))
    matching = [fault for fault in caught.value.faults if sentence in fault.sentence]
    assert matching, caught.value
    assert matching[0].file.endswith(file)
    assert matching[0].line >= 1


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    folder = _copy(tmp_path, "portal.yaml", "level: 3", "level: 9\ncolour: blue")
    text = (folder / "feedback.yaml").read_text(encoding="utf-8")
    (folder / "feedback.yaml").write_text(text.replace("wave: 2", "wave: 0"), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load(folder)
    assert {fault.sentence.split()[0] for fault in caught.value.faults} >= {"level", "colour", "wave"}
    line = next(fault.line for fault in caught.value.faults if fault.sentence.startswith("colour"))
    assert (folder / "portal.yaml").read_text(encoding="utf-8").splitlines()[line - 1] == "colour: blue"


def test_comments_do_not_change_the_hash(tmp_path: Path) -> None:
    folder = _copy(tmp_path, "portal.yaml", "level: 3", "level: 3  # as decided")
    assert load(folder).hash == load(EXAMPLE).hash


@pytest.mark.parametrize("name", sorted(schemas.MODELS))
def test_committed_schemas_are_fresh(name: str) -> None:
    committed = schemas.path(name).read_text(encoding="utf-8")
    assert committed == schemas.render(schemas.MODELS[name]), "run: python -m catalogue.schemas"

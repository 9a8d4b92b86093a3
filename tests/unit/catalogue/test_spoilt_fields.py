"""Every field of both files spoilt in every way we know: a fault with file, line and field, never a traceback."""

from __future__ import annotations

import datetime
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogue.load import CatalogueError, Fault, examine, load
from catalogue.province import Province
from catalogue.system import System
from tests.unit.catalogue import everything
from tests.unit.catalogue.everything import Document, Path_, at, paths, replaced, without

NOW = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)
DOCUMENTS = {"province": everything.province(), "portal": everything.system()}
FIELDS = [(file, path) for file, content in DOCUMENTS.items() for path in paths(content)]
MAPPINGS = [
    (file, path)
    for file, content in DOCUMENTS.items()
    for path in [(), *paths(content)]
    if isinstance(at(content, path), dict)
]
OPTIONAL = {
    "web.release", "web.ready",
    "security_log", "security_log.buffer_hours", "security_log.events_per_second", "security_log.national",
    "security_log.national.port", "security_log.national.protocol", "security_log.soc.port",
    "security_log.soc.protocol",
    "target.certificates", "target.certificates.duration", "target.certificates.renew_before", "database.pooler",
    "target.zones", "target.zones.internal", "target.node_pools", "target.rate_limit", "web.rate_limit",
    "job_hosts", "norms", "windows", "national_endpoints", "national_endpoints.0.port",
    "national_endpoints.0.addresses", "holidays", "blackouts",
    "objectives.rpo", "quota", "web.pages", "database.locale", "database.extensions", "files", "files.0.kept_days",
    "files.1.storage", "files.1.path", "files.1.access", "target.shared_storage_class",
    "jobs", "source.files", "source.jobs", "jobs.0.max_overlap", "integrations",
    "workers", "source.workers", "workers.0.replicas",
}  # fmt: skip
MAY_BE_NULL = {
    "security_log", "security_log.national", "objectives.rpo", "quota", "files.0.storage", "files.1.storage",
    "files.1.path", "target.shared_storage_class",
    "target.rate_limit", "web.rate_limit", "target.certificates", "database.pooler", "web.release",
}  # fmt: skip
OUT_OF_RANGE: dict[str, list[object]] = {
    "level": [6],
    "id": ["A", "1a", "a-", "x" * 21],
    "web.port": [1023, 65536],
    "web.replicas": [21],
    "web.host": ["Host", "a.b"],
    "web.health": ["healthz"],
    "web.ready": ["readyz"],
    "web.release": [" 8"],
    "database.major": [15, 19],
    "database.engine": ["mariadb"],
    "database.storage": ["0Gi", "5GB", "5"],
    "objectives.rto": ["0h", "4w", "-4h"],
    "objectives.rpo": ["15"],
    "exposure": ["moon"],
    "data.classes": [[], ["secret"]],
    "decision.expires": ["2028-03-01", 20280301],
    "files.0.kind": ["tape"],
    "files.0.kept_days": [0, 3651, "30"],
    "files.1.storage": ["5"],
    "files.1.path": ["opt"],
    "files.1.access": ["two-pods"],
    "jobs.0.schedule": ["60 * * * *", "* * * *", "* * * * * *", "*/0 * * * *", "5-1 * * * *", "* 24 * * *", "@daily"],
    "jobs.0.command": [[]],
    "jobs.0.max_overlap": [1],
    "workers.0.command": [[]],
    "workers.0.alive": [[]],
    "workers.0.replicas": [0, 21],
    "source.workers.notices.service": ["portal-notices", "a b.service"],
    "integrations": [["Portal"]],
    "quota": ["huge"],
    "quota.memory": ["8"],
    "source.web.service": ["portal", "portal.timer"],
    "source.web.host": ["App1", "1app"],
    "wave": [0],
    "apiVersion": ["dcshift/v2"],
    "domain": ["Khanh Hoa", ".example"],
    "time_zone": ["Asia/Nha_Trang"],
    "norms": ["vn-1999", "latest"],
    "source.cidr": ["198.51.100.0/33", "198.51.100.1/24", "198.51.100.0"],
    "source.hosts": [[]],
    "job_hosts.0": ["10.0.0.0/8", "203.0.113.7", "job1"],
    "target.gateway_address": ["192.0.2.300", "gateway"],
    "target.zones": [{"moon": {"gateway_class": "traefik", "gateway_address": "192.0.2.30"}}],
    "target.zones.internal.gateway_address": ["192.0.2.300", "gateway"],
    "target.node_pools": [["Portal"], ["internet"] * 65],
    "target.rate_limit.average": [0, 100_001],
    "target.rate_limit.burst": [0],
    "target.rate_limit": [{"average": 200, "burst": 401}],
    "target.object_store": ["192.0.2.10:8333", "ftp://192.0.2.10"],
    "capacity.cpu": [0],
    "capacity.memory": ["16GB"],
    "windows.0.start": ["24:00", "9:00"],
    "national_endpoints.0.port": [0, 65536],
    "national_endpoints.0.addresses.0": ["ndxp.example", "203.0.113.0/24"],
    "holidays.0.date": ["2027-02-30"],
}
NEVER_RIGHT = (12.5, [[1]], {"zz": {"zz": 1}})
"""Values that no field takes."""


def dotted(path: Path_) -> str:
    return ".".join(str(step) for step in path)


def mutations() -> Iterator[tuple[str, Path_, Document]]:
    """Return every spoilt document with the way to the field that a fault must name."""
    for file, path in FIELDS:
        content, value = DOCUMENTS[file], at(DOCUMENTS[file], path)
        wrong: list[object] = [*NEVER_RIGHT, *OUT_OF_RANGE.get(dotted(path), [])]
        wrong += [] if dotted(path) in MAY_BE_NULL else [None]
        wrong += [""] if not isinstance(value, dict | list) else []
        wrong += [-1] if isinstance(value, int) else []
        yield from ((file, path, replaced(content, path, bad)) for bad in wrong)
        in_a_table = path[:-1] in (("source", "files"), ("source", "jobs"), ("source", "workers"))
        if isinstance(path[-1], str) and dotted(path) not in OPTIONAL and not in_a_table:
            yield file, path, without(content, path)
    for file, path in MAPPINGS:
        yield file, (*path, "colour"), replaced(DOCUMENTS[file], (*path, "colour"), "blue")


CASES = list(mutations())


def named(fault: Fault, path: Path_, text: list[str]) -> bool:
    """Say whether a fault names the field in words, and a line on which it, or what should hold it, begins."""
    if not fault.sentence.startswith(dotted(path)):
        return False
    line = text[fault.line - 1]
    holders = fault.sentence.split(" ", maxsplit=1)[0].split(".")
    return fault.line == 1 or any(f"{step}:" in line for step in holders) or line.lstrip().startswith("- ")


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 300


def test_the_unspoilt_files_are_taken(tmp_path: Path) -> None:
    assert load(everything.write(tmp_path)).system("portal").files[1].kind == "volume"


@pytest.mark.parametrize("field", sorted({(file, dotted(path)) for file, path, _ in CASES}), ids=":".join)
def test_a_spoilt_field_is_named_with_its_file_and_line(field: tuple[str, str], tmp_path: Path) -> None:
    for file, path, content in CASES:
        if (file, dotted(path)) != field:
            continue
        # The spoilt file alone: the other one would only take time to read.
        spoilt = tmp_path / f"{file}.yaml"
        spoilt.write_text(everything.dumped(content), encoding="utf-8")
        with pytest.raises(CatalogueError) as caught:
            load(tmp_path)
        text = spoilt.read_text(encoding="utf-8").splitlines()
        here = [fault for fault in caught.value.faults if fault.file == str(spoilt)]
        assert any(named(fault, path, text) for fault in here), (content, here)


def closed(schema: Document, node: Document, path: Path_ = ()) -> Iterator[tuple[Path_, list[str]]]:
    """Yield the way to every field of a JSON Schema that takes certain words only, with those words."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for choice in node.get("anyOf", ()):
        yield from closed(schema, choice, path)
    if words := node.get("enum") or ([node["const"]] if "const" in node else None):
        yield path, [str(word) for word in words]
    if "items" in node:
        yield from closed(schema, node["items"], (*path, 0))
    for name, inner in node.get("properties", {}).items():
        yield from closed(schema, inner, (*path, name))


def words_of(file: str) -> dict[Path_, list[str]]:
    schema = (Province if file == "province" else System).model_json_schema(by_alias=True)
    there = {tuple(0 if isinstance(step, int) else step for step in path) for path in paths(DOCUMENTS[file])}
    found: dict[Path_, list[str]] = {}
    for path, words in closed(schema, schema):
        if path in there:
            found.setdefault(path, []).extend(words)
    return found


CLOSED = [(file, path, words) for file in DOCUMENTS for path, words in words_of(file).items()]


def test_the_fields_of_certain_words_are_known() -> None:
    told = {f"{file}:{dotted(path)}" for file, path, _ in CLOSED}
    assert {"portal:exposure", "portal:files.0.kind", "portal:database.pooler", "portal:quota"} <= told
    assert {"province:apiVersion", "province:security_log.soc.protocol"} <= told


@pytest.mark.parametrize(
    ("file", "path", "words"), CLOSED, ids=lambda given: dotted(given) if isinstance(given, tuple) else None
)
def test_a_wrong_word_is_told_with_every_word_that_is_allowed(
    file: str, path: Path_, words: list[str], tmp_path: Path
) -> None:
    content = DOCUMENTS[file]
    # A field whose example is a mapping takes words too; one that takes a number alone is told by it.
    (tmp_path / f"{file}.yaml").write_text(everything.dumped(replaced(content, path, "odd")), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path)
    told = [fault.sentence for fault in caught.value.faults if fault.sentence.startswith(f"{dotted(path)} is 'odd'")]
    assert told, caught.value
    assert all(any(re.search(rf"\b{re.escape(word)}\b", sentence) for sentence in told) for word in words), told


def test_the_line_is_that_of_the_field_and_not_of_its_namesake(tmp_path: Path) -> None:
    for path in [("source", "files", "templates", "host"), ("source", "traffic", "host"), ("web", "host")]:
        folder = everything.write(tmp_path, portal_file=replaced(DOCUMENTS["portal"], path, "Odd!"))
        with pytest.raises(CatalogueError) as caught:
            load(folder)
        fault = next(fault for fault in caught.value.faults if fault.sentence.startswith(dotted(path)))
        line = (folder / "portal.yaml").read_text(encoding="utf-8").splitlines()[fault.line - 1]
        assert line.strip() == "host: Odd!"


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FIELDS), ANYTHING)
def test_no_value_at_all_makes_a_traceback(field: tuple[str, Path_], value: Any) -> None:
    file, path = field
    with tempfile.TemporaryDirectory() as folder:
        written = everything.write(Path(folder), **{f"{file}_file": replaced(DOCUMENTS[file], path, value)})
        for fault in examine(written, NOW).faults:
            text = Path(fault.file).read_text(encoding="utf-8").split("\n")
            assert 1 <= fault.line <= len(text)
            assert fault.sentence


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(DOCUMENTS)), st.integers(0, 2000), st.integers(0, 12), st.text(max_size=6))
def test_no_slip_of_the_pen_makes_a_traceback(file: str, start: int, length: int, put: str) -> None:
    text = everything.dumped(DOCUMENTS[file])
    start %= len(text)
    with tempfile.TemporaryDirectory() as folder:
        path = everything.write(Path(folder)) / f"{file}.yaml"
        path.write_bytes((text[:start] + put + text[start + length :]).encode("utf-8", "surrogatepass"))
        assert all(fault.line >= 1 for fault in examine(Path(folder), NOW).faults)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "the file is None"),
        (b"- a\n- b\n", "the file is ['a', 'b']"),
        (b"portal\n", "the file is 'portal'"),
        (b"a: [1\n", "this is not YAML"),
        (b"a:\n\t- 1\n", "this is not YAML"),
        (b"a: \xff\n", "the file cannot be read"),
        (b"a: &a [*a]\n", "nested without end"),
        (b"[" * 20_000, "nested without end"),
        (b"{a: " * 20_000, "nested without end"),
        (b"? {b: 1}\n: 2\n", "this is not YAML"),
        (b"? [b, 1]\n: 2\n", "this is not YAML"),
        (b"decision:\n  date: 2026-13-45\n", "decision.date is '2026-13-45': month must be in 1..12"),
        (b"level: !!python/object:os.system x\n", "this is not YAML"),
        (b"level: " + b"9" * 5000 + b"\n", "level is '999"),
        (b"level: 1\nlevel: 2\n", "the key 'level' is given twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_system_at_all(text: bytes, sentence: str, tmp_path: Path) -> None:
    folder = everything.write(tmp_path)
    (folder / "portal.yaml").write_bytes(text)
    with pytest.raises(CatalogueError) as caught:
        load(folder)
    assert any(fault.file.endswith("portal.yaml") and sentence in fault.sentence for fault in caught.value.faults), str(
        caught.value
    )


def test_a_folder_with_the_name_of_a_file(tmp_path: Path) -> None:
    folder = everything.write(tmp_path)
    (folder / "gis.yaml").mkdir()
    with pytest.raises(CatalogueError, match=r"gis\.yaml:1: the file cannot be read"):
        load(folder)

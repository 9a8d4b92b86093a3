"""The tool chain: content decides, a lying build is caught, a missing tool names the command that mends it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.paths import CHECKOUT
from lab.toolchain import TOOLS, build, golang
from lab.toolchain.tools import Program, Tool


@pytest.fixture
def own_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    monkeypatch.setenv("DCSHIFT_CACHE", str(tmp_path / "cache"))

    class Own(Tool):
        @property
        def folder(self) -> Path:
            return tmp_path / "tool"

    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "go.mod").write_text("module example.invalid/tool\n\ngo 1.21\n")
    (tmp_path / "tool" / "main.go").write_text('package main\n\nfunc main() { println("version 1.2.3") }\n')
    return Own("tool", "v1.2.3", (Program("tool", ask=("version",), says="version 1.2.3"),), build_seconds=1)


def _built(tool: Tool) -> list[Path]:
    return sorted(tool.folder.parent.glob("cache/bin/tool-*"))


def test_a_tool_is_built_once_per_content(own_tool: Tool) -> None:
    build(own_tool, print)
    build(own_tool, print)
    assert len(_built(own_tool)) == 1
    (own_tool.folder / "main.go").write_text('package main\n\nfunc main() { println("version 1.2.3 again") }\n')
    build(own_tool, print)
    assert len(_built(own_tool)) == 2


def test_a_build_that_answers_another_version_leaves_the_cache_unchanged(own_tool: Tool) -> None:
    (own_tool.folder / "main.go").write_text('package main\n\nfunc main() { println("version 9") }\n')
    with pytest.raises(LabError) as caught:
        build(own_tool, print)
    assert caught.value.code == "build-lies"
    assert not _built(own_tool)


def test_a_build_that_fails_says_what_the_compiler_said(own_tool: Tool) -> None:
    (own_tool.folder / "main.go").write_text("package main\n\nfunc main() { nothing() }\n")
    with pytest.raises(LabError, match="could not be built") as caught:
        build(own_tool, print)
    assert "undefined: nothing" in caught.value.why


def test_go_never_fetches_another_go_or_a_repository() -> None:
    environment = golang.environment()
    assert environment["GOTOOLCHAIN"] == "local"
    assert "direct" not in environment.get("GOPROXY", "")


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_has_committed_checksums(tool: Tool) -> None:
    listed = subprocess.run(
        ["git", "ls-files", f"tools/{tool.name}"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {f"tools/{tool.name}/go.mod", f"tools/{tool.name}/go.sum"} <= set(listed)


@pytest.mark.parametrize(
    ("name", "first", "apart"),
    [
        ("cert-manager", "cnpg-manager", ()),
        # It counts its versions with a word that kube's does not know, and kube's sample is not served; little stands
        # on either.
        ("kube-state-metrics", "kube", ("github.com/prometheus/", "k8s.io/sample-controller")),
    ],
)
def test_what_two_tools_need_in_one_version_is_compiled_once(name: str, first: str, apart: tuple[str, ...]) -> None:
    """A version that differs deep below makes everything above it another thing to compile: two minutes of them."""

    def needed(name: str) -> dict[str, str]:
        lines = (CHECKOUT / "tools" / name / "go.mod").read_text().splitlines()
        words = [line.split() for line in lines if line.startswith("\t")]
        # What is replaced by another version of itself stands last.
        return {each[0]: each[3] if each[1] == "=>" else each[1] for each in words}

    ours, theirs = needed(name), needed(first)
    both = ours.keys() & theirs.keys()
    assert {"k8s.io/client-go", "golang.org/x/net", "k8s.io/kube-openapi"} <= both
    differs = {name for name in both if ours[name] != theirs[name]}
    assert {name for name in differs if not name.startswith(apart)} == set()


def test_every_debian_package_has_its_reason() -> None:
    lines = (CHECKOUT / "tools" / "debian-packages.txt").read_text().splitlines()
    for line in lines:
        assert line.startswith("#") or line.partition("#")[2].strip(), line

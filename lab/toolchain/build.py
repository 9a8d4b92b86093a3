"""Builds tools from their Go modules into the cache, once per content; a build counts only when its result answers."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab.command import run
from lab.errors import LabError
from lab.paths import cache
from lab.toolchain.golang import environment, go, module_folder, patched
from lab.toolchain.tools import TOOLS, Program, Tool

Say = Callable[[str], None]
_BUILD_SECONDS_MAX: Final = 3600
_HEARTBEAT_SECONDS: Final = 15.0


def tool_path(name: str) -> Path:
    """Return a program's path: on PATH if the version is right, else in the cache.

    Raises `LabError` when it is in neither.
    """
    for tool in TOOLS:
        for program in tool.programs:
            if name == program.name:
                found = _on_path(program) or _built(tool, program)
                if found:
                    return found
    raise LabError(
        "tool-missing",
        what=f"{name} is not here",
        why="it is not on PATH in the right version, and not in the cache",
        state="nothing was started",
        next="make setup",
    )


def missing() -> list[Tool]:
    """Return the tools of which a program is neither on PATH nor built."""
    return [tool for tool in TOOLS if not all(_on_path(program) or _built(tool, program) for program in tool.programs)]


def build(tool: Tool, say: Say) -> Path:
    """Build one tool into the cache, atomically; a second builder of the same tool waits for the first.

    Returns the folder of its programs.
    """
    folder = _folder(tool)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{tool.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        fresh = Path(tempfile.mkdtemp(prefix=f".{tool.name}-", dir=folder.parent))
        try:
            with patched(tool) as module_file:
                for program in tool.programs:
                    if program.link_of:
                        (fresh / program.name).symlink_to(program.link_of)
                    else:
                        _compile(tool, program, fresh / program.name, module_file, say)
            for data in tool.data:
                shutil.copyfile(module_folder(tool, data.module) / data.path, fresh / Path(data.path).name)
                (fresh / Path(data.path).name).chmod(0o755)
            for program in tool.programs:
                if program.ask and not _answers(fresh / program.name, program):
                    raise _lies(tool, program)
            fresh.chmod(0o755)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _compile(tool: Tool, program: Program, output: Path, module_file: Path, say: Say) -> None:
    flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in tool.variables)])
    argv = [str(go()), "build", "-modfile", str(module_file), "-ldflags", flags, "-o", str(output)]
    if tool.tags:
        argv += ["-tags", tool.tags]
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*argv, program.package],
            cwd=tool.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            while True:
                try:
                    process.wait(timeout=_HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    seconds = time.monotonic() - begun
                    if seconds > _BUILD_SECONDS_MAX:
                        raise _too_slow(tool, seconds) from None
                    say(f"{tool.name} {tool.version}: building for {seconds:.0f} s, usually {tool.build_seconds} s")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        log.seek(0)
        text = log.read()
    if process.returncode != 0 or not output.is_file():
        raise LabError(
            "build-failed",
            what=f"{tool.name} {tool.version} could not be built",
            why=text.strip()[-2000:] or f"go exited with {process.returncode}",
            state="the cache is unchanged; other tools are not affected",
            next=f"cd tools/{tool.name} && go build {program.package}   (shows the whole output)",
        )


def _built(tool: Tool, program: Program) -> Path | None:
    path = _folder(tool) / program.name
    return path if path.exists() else None


def _on_path(program: Program) -> Path | None:
    if not program.ask:
        return None
    found = shutil.which(program.name)
    # A link of ours in the environment's bin folder leads into the cache: that is `_built`, not somebody's own tool.
    if not found or Path(found).resolve().is_relative_to(cache()):
        return None
    return Path(found) if _answers(Path(found), program) else None


def _answers(path: Path, program: Program) -> bool:
    try:
        answer = run([path, *program.ask], timeout_seconds=30, check=False, env={"PULUMI_SKIP_UPDATE_CHECK": "true"})
    except LabError:
        return False
    return program.says in answer.stdout + answer.stderr


def _folder(tool: Tool) -> Path:
    content = hashlib.sha256(repr((tool.tags, tool.variables, tool.programs)).encode())
    for path in sorted(tool.folder.rglob("*")):
        if path.is_file():
            content.update(path.relative_to(tool.folder).as_posix().encode() + b"\0" + path.read_bytes())
    return cache() / "bin" / f"{tool.name}-{tool.version}-{content.hexdigest()[:12]}"


def _too_slow(tool: Tool, seconds: float) -> LabError:
    return LabError(
        "build-too-slow",
        what=f"{tool.name} {tool.version} was still building after {seconds:.0f} s",
        why="the machine is much slower or busier than expected",
        state="the cache is unchanged; what was compiled is kept by Go",
        next="make setup   (goes on from there)",
    )


def _lies(tool: Tool, program: Program) -> LabError:
    return LabError(
        "build-lies",
        what=f"{program.name} was built but does not say that it is {tool.version}",
        why=f"`{program.name} {' '.join(program.ask)}` did not answer with {program.says!r}",
        state="the cache is unchanged",
        next=f"look at tools/{tool.name}/go.mod and the variables in lab/toolchain/tools.py",
    )

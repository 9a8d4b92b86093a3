"""Which Kubernetes plugin Pulumi uses: the official one where the CLI can install it, else our stand-in, by name."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Final

from lab.command import run
from lab.errors import LabError
from lab.paths import CHECKOUT, cache
from lab.toolchain.build import tool_path
from lab.toolchain.links import link

OFFICIAL: Final = "official"
STAND_IN: Final = "stand-in"
_NAME: Final = "pulumi-resource-kubernetes"
_INSTALL_SECONDS_MAX: Final = 60


def plugin_in_use() -> str:
    """Return `official` or `stand-in`; raises `LabError` when neither is there."""
    if _link().exists():
        return STAND_IN
    version = importlib.metadata.version("pulumi-kubernetes")
    listed = json.loads(run([tool_path("pulumi"), "plugin", "ls", "--json"], env=_ENVIRONMENT).stdout or "[]")
    if any(plugin["name"] == "kubernetes" and plugin.get("version") == version for plugin in listed):
        return OFFICIAL
    raise LabError(
        "no-kubernetes-plugin",
        what="Pulumi has no plugin for Kubernetes",
        why=f"neither the official one, version {version}, nor the stand-in is installed",
        state="nothing was applied",
        next="make setup",
    )


def ensure_plugin() -> str:
    """Install the official plugin if it can be had, else link the stand-in; return which is in use."""
    try:
        return plugin_in_use()
    except LabError:
        pass
    if refusal() is None and _install_official():
        return plugin_in_use()
    link(_link(), CHECKOUT / "tools" / _NAME / _NAME)
    return plugin_in_use()


_ENVIRONMENT: Final = {"PULUMI_SKIP_UPDATE_CHECK": "true"}


def refusal() -> tuple[str, Path] | None:
    """Return why the official plugin could not be had, and the file that remembers it; None if it was never refused."""
    try:
        text = _refused().read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # The engine says its reason last.
    return (lines[-1] if lines else "it said nothing"), _refused()


def ask_again() -> str:
    """Return the command that makes set-up ask for the official plugin once more."""
    # The link goes first: while it is there, it is the plugin in use, and nobody asks.
    return f"rm -f {_refused()} {_link()} && make setup"


def _link() -> Path:
    return Path(sys.executable).parent / _NAME


def _refused() -> Path:
    return cache() / f"official-plugin-{importlib.metadata.version('pulumi-kubernetes')}-refused"


def _install_official() -> bool:
    version = importlib.metadata.version("pulumi-kubernetes")
    argv: list[str | Path] = [tool_path("pulumi"), "plugin", "install", "resource", "kubernetes", version]
    try:
        installed = run(argv, timeout_seconds=_INSTALL_SECONDS_MAX, check=False, env=_ENVIRONMENT)
    except LabError as late:
        _remember(late.why)
        return False
    if installed.returncode != 0:
        _remember(installed.stderr)
        return False
    return True


def _remember(why: str) -> None:
    """Keep the reason, so that an air-gapped machine waits for one refusal only; `ask_again` says how to forget it."""
    _refused().parent.mkdir(parents=True, exist_ok=True)
    _refused().write_text(why, encoding="utf-8")

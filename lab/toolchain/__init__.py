"""The tool chain: builds what no package brings, finds what is there, says what is missing; it runs no lab."""

from __future__ import annotations

from lab.toolchain.build import build, missing, tool_path
from lab.toolchain.tools import TOOLS, Tool

__all__ = ["TOOLS", "Tool", "build", "missing", "tool_path"]

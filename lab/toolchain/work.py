"""Makes the tool chain whole: builds what is missing, links what the environment needs, settles the plugin."""

from __future__ import annotations

import time

from lab.toolchain.build import Say, build, missing
from lab.toolchain.links import link_programs
from lab.toolchain.plugin import ensure_plugin


def make_tools(say: Say) -> str:
    """Build and link; return which Kubernetes plugin is in use. Says one line a tool, with the time that is left."""
    lacking = missing()
    left = sum(tool.build_seconds for tool in lacking)
    for number, tool in enumerate(lacking, start=1):
        began, name = time.monotonic(), f"{number}/{len(lacking)} {tool.name} {tool.version}"
        say(f"{name}: building, usually {tool.build_seconds} s; {left / 60:.0f} min left in all")
        build(tool, say)
        left -= tool.build_seconds
        say(f"{name}: ready in {time.monotonic() - began:.0f} s")
    link_programs()
    return ensure_plugin()

"""`python -m infra.render.answers`: what our modules answer to judges of others, each with where it stands, as JSON.

Whoever runs the judges knows no module of ours; these lines are all that passes between them.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import infra.components
import infra.monitoring
import infra.rights
from infra import workload
from infra.answers import Answer

_PACKAGES: Final = (infra.components, infra.monitoring, infra.rights)
"""Where objects are described; a constant elsewhere would be read by nobody, which a test looks for."""
_ROOT: Final = Path(__file__).resolve().parents[2]


def collected() -> list[dict[str, Any]]:
    """Return every answer, one for each judge and rule, in the order of those."""
    found = [
        {"judge": judge, "rule": rule, "objects": list(each.objects), "reason": each.reason, "stands_in": _file(module)}
        for module in _modules()
        for each in _answers(module)
        for judge, rules in each.rules.items()
        for rule in rules
    ]
    return sorted(found, key=lambda one: (one["judge"], one["rule"], one["stands_in"]))


def _modules() -> Iterator[ModuleType]:
    yield workload
    for package in _PACKAGES:
        for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(each.name)


def _answers(module: ModuleType) -> tuple[Answer, ...]:
    return getattr(module, "ANSWERS", ())


def _file(module: ModuleType) -> str:
    assert module.__file__ is not None
    return Path(module.__file__).relative_to(_ROOT).as_posix()


if __name__ == "__main__":
    json.dump(collected(), sys.stdout, ensure_ascii=False)

"""Help and completion answer at once: naming the verbs loads nothing that only their work needs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pydantic", "sqlalchemy", "psycopg", "kubernetes", "httpx", "obstore", "yaml", "rich", "pulumi", "catalogue")


def test_naming_the_verbs_loads_nothing_heavy() -> None:
    asked = "import sys, migration.cli.main; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True, timeout=240)
    assert set(loaded.stdout.split()) & set(HEAVY) == set()

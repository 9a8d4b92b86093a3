"""`dcshift … | head`: whoever reads no further ends the talk alone; the exit status stays the true one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.declared import CATALOGUE


@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout-and-stderr"])
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("catalogue check --json", 0),
        ("identity --json", 0),
        ("run --help", 0),
        ("run --nope", 2),
    ],
)
def test_a_reader_that_is_gone_changes_nothing_but_what_is_read(
    tmp_path: Path, line: str, status: int, both: bool
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [Path(sys.executable).parent / "dcshift", *line.split()],
            env={**os.environ, "DCSHIFT_CATALOGUE": str(CATALOGUE), "DCSHIFT_STATE": str(tmp_path / "state")},
            stdout=writing,
            stderr=writing if both else subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writing)
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in (ended.stderr or "")
    assert "Exception ignored" not in (ended.stderr or "")

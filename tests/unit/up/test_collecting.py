"""Garbage is looked for rarely while a stack is built, and as before afterwards, whatever happened."""

from __future__ import annotations

import gc

import pytest

from infra import collecting


def test_what_python_does_by_itself_is_put_back() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="anything"), collecting.rarely():
        assert gc.get_threshold() == collecting.RARELY
        assert gc.get_freeze_count() > 0
        raise ValueError("anything")
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0

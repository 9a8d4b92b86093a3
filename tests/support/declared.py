"""The builder of stacks under mocks, where tests find it, and the example catalogue."""

from __future__ import annotations

from pathlib import Path

from infra.render.declared import Built, Declared, build, whole

CATALOGUE = Path(__file__).resolve().parents[2] / "catalogue" / "khanh-hoa"
__all__ = ["CATALOGUE", "Built", "Declared", "build", "whole"]

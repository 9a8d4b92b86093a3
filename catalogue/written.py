"""Models together with the files that they were read from, so that a rule can name the line; it holds no rule."""

from __future__ import annotations

from dataclasses import dataclass

from catalogue import norms
from catalogue.controls import Controls
from catalogue.province import Province
from catalogue.reading import Fault, FieldPath, Place
from catalogue.system import System


@dataclass(frozen=True, slots=True)
class Written:
    """One system with the file that it was read from."""

    place: Place
    system: System

    def fault(self, path: FieldPath, sentence: str) -> Fault:
        return self.place.fault(path, sentence)


@dataclass(frozen=True, slots=True)
class Whole:
    """A province with its file and the norms that it names; all of them could be read."""

    place: Place
    province: Province
    norms: norms.NormSet

    def controls(self, system: System) -> Controls:
        return norms.controls(self.norms, system.level)

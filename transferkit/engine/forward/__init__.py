"""Forward passes compiled for the machine: the frozen layers, predictions, evaluations."""

from __future__ import annotations

from transferkit.engine.forward.check import Problem, check
from transferkit.engine.forward.choosing import Prepared, prepare
from transferkit.engine.forward.compiling import Compiled, compile_forward

__all__ = ["Compiled", "Prepared", "Problem", "check", "compile_forward", "prepare"]

"""What a phase minimises beside the head's loss, and what it is drawn to.

>>> import transferkit as tk
>>> tk.plans.fine_tune(5, objectives=[tk.objectives.l2_sp(), tk.objectives.bss()]).phases[0]
Phase: fine-tuning: 5 epochs, the model's policy, adam 1e-05, batches of 32, l2_sp(0.01), bss(0.001)
"""

from __future__ import annotations

from transferkit.objectives.bss import BSS as BSS
from transferkit.objectives.bss import bss as bss
from transferkit.objectives.co_tuning import CoTuned as CoTuned
from transferkit.objectives.co_tuning import CoTuning as CoTuning
from transferkit.objectives.co_tuning import co_tuning as co_tuning
from transferkit.objectives.l2_sp import L2SP as L2SP
from transferkit.objectives.l2_sp import l2_sp as l2_sp
from transferkit.spec import Seen as Seen
from transferkit.spec import Term as Term

__all__ = ["BSS", "L2SP", "CoTuned", "CoTuning", "Seen", "Term", "bss", "co_tuning", "l2_sp"]

"""Did the transfer help? The pretrained features against those of the same network at random."""

from __future__ import annotations

from transferkit.check.checks import check_transfer as check_transfer
from transferkit.check.verdict import Tier as Tier
from transferkit.check.verdict import TransferCheck as TransferCheck
from transferkit.check.verdict import Verdict as Verdict

__all__ = ["Tier", "TransferCheck", "Verdict", "check_transfer"]

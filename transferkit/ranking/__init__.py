"""Which network to start from, and which of its layers: scores of frozen features, side by side."""

from __future__ import annotations

from transferkit.ranking.ranks import rank as rank
from transferkit.ranking.ranks import rank_layers as rank_layers
from transferkit.ranking.table import Candidate as Candidate
from transferkit.ranking.table import Cost as Cost
from transferkit.ranking.table import Difference as Difference
from transferkit.ranking.table import Ranking as Ranking

__all__ = ["Candidate", "Cost", "Difference", "Ranking", "rank", "rank_layers"]

"""From the errors of two arms to a verdict with its interval, and what to try next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import special

from transferkit._figures import new_figure, text_style
from transferkit._text import counted, html_summary, shortened, text_summary
from transferkit.errors import SpecError, explain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Tier",
    "TransferCheck",
    "Verdict",
    "check_is_of",
    "checked",
    "compared",
    "compared_runs",
]

Array = np.ndarray[Any, Any]
Verdict = Literal["positive", "none", "negative", "undecided"]
Tier = Literal["probe", "curve", "full"]
LEVEL = 0.95

_NEXT: Mapping[str, str] = {
    "positive": "go on with these weights",
    "none": "the source neither helps nor hurts here: a smaller network, or one that was trained "
    "on pictures nearer to these (tk.rank compares them)",
    "negative": "another source (tk.rank compares them), a cut at an earlier block "
    "(tk.rank_layers), or training from random weights (weights=None)",
    "undecided": "more pictures, or more random networks: check_transfer(..., inits=10)",
}


@dataclass(frozen=True)
class TransferCheck:
    """What a comparison with and without the source came to.

    The negative transfer gap is the risk with the source less that without it: below 0 the source
    helps. The interval holds what another random network and another sample of images would have
    given in 95 of 100 cases.

    Attributes:
        verdict: ``"positive"`` if the interval lies below 0, ``"negative"`` if above, ``"none"`` if
            it holds 0 and stays within `margin`, else ``"undecided"``.
        gap: The negative transfer gap.
        low: Where its interval begins.
        high: Where it ends.
        risk_with: The risk with the source: a share of wrong images, or for numbers and several
            labels the mean squared error over the targets' variance.
        risks_without: That of each random network, or of each training from one.
        risk_of_pixels: That of the pixels themselves, shrunk to 8 x 8: no part of the verdict. None
            where networks were trained.
        images: How many they were measured on.
        margin: How large a gap is nothing to speak of.
        backbone: What was checked.
        weights: The source.
        tier: ``"probe"``, ``"curve"`` or ``"full"``: what both arms went through.

    References:
        Zirui Wang et al., Characterizing and Avoiding Negative Transfer, CVPR 2019.
    """

    verdict: Verdict
    gap: float
    low: float
    high: float
    risk_with: float
    risks_without: tuple[float, ...]
    risk_of_pixels: float | None
    images: int
    margin: float
    backbone: str = ""
    weights: str = ""
    tier: Tier = "probe"

    @property
    def risk_without(self) -> float:
        """The mean risk of the random networks."""
        return float(np.mean(self.risks_without))

    @property
    def advice(self) -> tuple[str, ...]:
        """What to try next, in words."""
        told = [_NEXT[self.verdict]]
        if self.risk_of_pixels is not None and self.risk_of_pixels < self.risk_with:
            told.append(
                "warning: the bare pixels do better than the source's features; look at the "
                "preprocessing, and at whether the classes differ in colour alone"
            )
        return tuple(told)

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {**asdict(self), "risks_without": list(self.risks_without)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TransferCheck:
        """The inverse of `to_config`."""
        return cls(**{**config, "risks_without": tuple(config["risks_without"])})

    def plot(self) -> Figure:
        """The risks of both arms and of the pixels, and beside them the gap with its interval.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        needed = "check.plot()"
        figure = new_figure(8.0, 2.6, needed_for=needed)
        style = text_style(needed_for=needed)
        risks, gap = figure.subplots(1, 2, width_ratios=(3, 2))
        risks.scatter(self.risks_without, [1.0] * len(self.risks_without), color="C1", alpha=0.7)
        risks.scatter([self.risk_with], [2.0], color="C0")
        if self.risk_of_pixels is not None:
            risks.scatter([self.risk_of_pixels], [0.0], color="#808080", marker="s")
        risks.set_yticks([0, 1, 2], ["pixels", "random networks", "source"])
        risks.set_ylim(-0.6, 2.6)
        risks.set_xlabel("risk")
        reach = [[self.gap - self.low], [self.high - self.gap]]
        gap.errorbar([self.gap], [0.0], xerr=reach, fmt="o", capsize=4, color="C0")
        gap.axvline(0.0, color="#808080", linewidth=1)
        gap.set_yticks([])
        gap.set_xlabel("gap: below 0 the source helps")
        title = f"{self.backbone} ({self.weights}): {self.verdict}"
        figure.suptitle(shortened(title, 80), fontsize=10, **style)
        for axes in (risks, gap):
            axes.grid(axis="x", alpha=0.3)
        return figure

    def told(self) -> str:
        """The verdict in one line."""
        gap = f"{self.gap:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        return f"{self.verdict} by {self.tier}: gap in risk {gap} on {self.images} images"

    def __repr__(self) -> str:
        return text_summary(self._summary())

    def _repr_html_(self) -> str:
        return html_summary(self._summary())

    def _summary(self) -> list[tuple[str, str]]:
        without = f"{self.risk_without:.3f} ({min(self.risks_without):.3f} to "
        without += f"{max(self.risks_without):.3f}, {counted(len(self.risks_without), 'network')})"
        gap = f"{self.gap:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        pixels = [] if self.risk_of_pixels is None else [f"{self.risk_of_pixels:.3f}"]
        return [
            ("Transfer", f"{self.verdict}, on {counted(self.images, 'image')}, by {self.tier}"),
            ("backbone", f"{self.backbone} ({self.weights})"),
            ("gap in risk", f"{gap}; below 0 the source helps"),
            ("risk with it", f"{self.risk_with:.3f}"),
            ("risk without", without),
            *(("risk of pixels", told) for told in pixels),
            ("what next", "; ".join(self.advice)),
        ]


def check_is_of(check: object, backbone: str) -> None:
    """Refuse what says nothing of a backbone.

    Raises:
        SpecError: If it is no check, or one of another backbone.
    """
    if check is None:
        return
    found = check.backbone if isinstance(check, TransferCheck) else None
    if found != backbone:
        raise SpecError(
            explain(
                "with_transfer",
                f"{type(check).__name__} is no check"
                if found is None
                else f"the check is of {found}",
                expected=f"a check of {backbone}",
                received={"check": check if found is None else found},
                mend="trained.with_transfer(trained.check_transfer(photos))",
            )
        )


def checked(
    lost: Array,
    lost_without: Array,
    *,
    margin: float,
    backbone: str,
    weights: str,
    tier: Tier = "probe",
    risk_of_pixels: float | None = None,
) -> TransferCheck:
    """What the losses of two arms on the same images come to.

    Args:
        lost: With the source: of one network (images,), see `compared`, or of several (networks,
            images), see `compared_runs`.
        lost_without: Of networks without it (networks, images), two or more.
        margin: How large a gap is nothing to speak of.
        backbone: What was checked.
        weights: The source.
        tier: What both arms went through.
        risk_of_pixels: That of the pixels themselves, if it was measured.
    """
    compare = compared if lost.ndim == 1 else compared_runs
    verdict, gap, low, high = compare(lost, lost_without, margin=margin)
    return TransferCheck(
        verdict=verdict,
        gap=gap,
        low=low,
        high=high,
        risk_with=float(lost.mean()),
        risks_without=tuple(lost_without.mean(axis=1).tolist()),
        risk_of_pixels=risk_of_pixels,
        images=lost.shape[-1],
        margin=margin,
        backbone=backbone,
        weights=weights,
        tier=tier,
    )


def compared(
    lost: Array, lost_without: Array, *, margin: float
) -> tuple[Verdict, float, float, float]:
    """The verdict, the gap, and where its interval begins and ends.

    Two things vary: which random network the source is compared with, and which images both are
    measured on. With s^2 the variance of the k random networks' risks and d_i the difference of the
    losses of image i, another random network lies within the gap's

        standard error^2 = s^2 (1 + 1/k) + var(d) / n,

    with degrees of freedom by Welch and Satterthwaite. If the source were one more random network,
    the interval would miss 0 in 5 of 100 cases at most: part of the second term is in the first one
    too. Images that all agree still count as one that does not.

    Args:
        lost: The loss of each image with the source (images,).
        lost_without: With each random network (networks, images), two or more.
        margin: How large a gap is nothing to speak of.
    """
    networks, images = lost_without.shape
    among = float(lost_without.mean(axis=1).var(ddof=1)) * (1 + 1 / networks)
    within = _of_images(lost, lost_without.mean(axis=0))
    parts = (among, networks - 1), (within, images - 1)
    return _around(float(lost.mean() - lost_without.mean()), parts, margin)


def compared_runs(
    lost: Array, lost_without: Array, *, margin: float
) -> tuple[Verdict, float, float, float]:
    """The same of several trainings with the source and without it.

    Both arms vary from training to training, and the question is how their means differ:

        standard error^2 = s_with^2 / k + s_without^2 / m + var(d) / n,

    with k and m trainings, and d the difference of the mean losses of each image.

    Args:
        lost: The loss of each image in each training with the source (k, images), two or more.
        lost_without: From random weights (m, images), two or more.
        margin: How large a gap is nothing to speak of.
    """
    arms = [
        (float(each.mean(axis=1).var(ddof=1)) / len(each), len(each) - 1)
        for each in (lost, lost_without)
    ]
    within = _of_images(lost.mean(axis=0), lost_without.mean(axis=0))
    parts = (*arms, (within, lost.shape[1] - 1))
    return _around(float(lost.mean() - lost_without.mean()), parts, margin)


def _of_images(lost: Array, lost_without: Array) -> float:
    """The variance that another sample of images makes; those that all agree count as one."""
    images = len(lost)
    scale = float(max(lost.max(), lost_without.max(), 1e-12))
    return max(float((lost - lost_without).var(ddof=1)) / images, (scale / images) ** 2)


def _around(
    gap: float, parts: Sequence[tuple[float, int]], margin: float
) -> tuple[Verdict, float, float, float]:
    """An interval from variances and their degrees of freedom, by Welch and Satterthwaite."""
    total = sum(variance for variance, _ in parts)
    freedom = total**2 / sum(variance**2 / max(free, 1) for variance, free in parts)
    reach = float(special.stdtrit(freedom, 0.5 + LEVEL / 2) * np.sqrt(total))
    low, high = gap - reach, gap + reach
    return judged(low, high, margin), gap, low, high


def judged(low: float, high: float, margin: float) -> Verdict:
    """What an interval of the gap says."""
    if high < 0:
        return "positive"
    if low > 0:
        return "negative"
    return "none" if low >= -margin and high <= margin else "undecided"

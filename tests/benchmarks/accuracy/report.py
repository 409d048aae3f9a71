"""The page of accuracies: made of the file of trials alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from page import table

from accuracy import planted, ranks
from accuracy.pairs import Gap, gap, shift
from accuracy.tables import Table
from accuracy.trials import Store, Trial

__all__ = ["markdown"]

Lines = Iterator[str]
INTRODUCTION = """# Accuracy

Written by `nox -s bench -- accuracy`; do not edit it by hand. What recipes gain, what `tk.rank`
foretells, and whether `tk.check_transfer` is right, on real photos and on handwritten digits.

```sh
nox -s bench -- accuracy --list             # the tables and their rows
nox -s bench -- accuracy                    # what is missing, hours on two cores
nox -s bench -- accuracy "recipes, insects" # of one table, or of all whose name begins like this
nox -s bench -- accuracy insects --again    # anew
```

Each trial is kept in `docs/accuracy.json` as soon as it ends, picture by picture, so that a run
can be cut off and goes on, and rows are compared on the same pictures. `TRANSFERKIT_ASSETS` names
the folder with the photos and weights; digits are those of scikit-learn.

The *ants and bees* are 244 photos to train on and 153, the folder `val/`, that are only measured.
Whatever is chosen (a penalty, alpha, an epoch) is chosen on a seeded fifth of the 244. Where a
table says *5 of each*, five photos of each class are drawn by the seed, and nothing is held out.
The *digits* are 5 to 9, one half to train on and one to measure, by a small network that learned
0 to 4.

Accuracies are means over the seeds. A difference stands with the interval that holds 95 of 100
bootstrap draws of seeds and pictures at once.
"""
SECTIONS: Mapping[str, str] = {
    "headline": """## The default, and what people write today

*Plain Keras done right* follows Keras' guide: the pixels that the weights want, batch
normalisation frozen, ten epochs of the head at 1e-3 by Adam, ten of the last layers by SGD at
1e-4, no augmentation. *The tutorial's recipe* divides pixels by 255 whatever the weights want,
augments, and thaws batch normalisation with the rest. The logistic regression is scikit-learn's,
on standardised pooled features of the same network; its penalty is the best of seven. Both of the
Keras recipes train for twenty epochs whatever the data is, as they are written: on a few dozen
pictures those are few steps.
""",
    "recipes": """## One recipe at a time

MobileNet 0.25 at 128 x 128, ImageNet weights. The base is a solved head, then ten epochs of all
layers at 1e-4 by Adam on clean pictures; every other row changes one thing.
""",
    "afterwards": """## What is chosen after training

Training is that of the recipes' base; the temperature and the thresholds are chosen on the
validation pictures and measured on the test pictures. The *labels* are made of the digits (a loop:
6, 8 and 9; even: 6 and 8; a seven), about 20 of each digit to train on and 20 to choose on, by the
small network that learned 0 to 4; F1 is the mean of the labels'. Numbers are means over the seeds,
a difference from the first row stands with its 95 % interval by Student's t over the seeds.
""",
    "rank": """## Whether `tk.rank` foretells training

Each candidate is trained in full at 128 x 128: from a source by a solved head and ten epochs of
all layers at 1e-4; from random weights in the better of two ways, that one on a network whose
normalisation is calibrated, or ten epochs of all layers at 1e-3. A pair of candidates counts if the
intervals of their accuracies lie apart. Kendall's tau is weighted, the best candidates counting
most. *By size* is what the number of parameters foretells.
""",
    "planted": """## Whether `tk.check_transfer` is right

The true sign is that of full training, `tier="full"`: ten times pictures (and spoiled sources) are
drawn anew, and two networks trained from the source and two from random weights are measured on the
test pictures. Their gap is one number a drawing, and its interval holds what other drawings from
the same photos, other random networks and other pictures to measure would have given. Cases of the
same network and the same pictures are compared with the same random networks. The verdicts are
those of `tier="probe"` with other pictures and other random networks in each draw. A case without a
clear sign is not counted.
""",
}


def markdown(tables: Sequence[Table], store: Store) -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    writers: Mapping[str, Callable[[Sequence[Table], Store], Lines]] = {
        "headline": _compared,
        "recipes": _compared,
        "afterwards": _numbers,
        "rank": _ranked,
        "planted": _planted,
    }
    for kind, write in writers.items():
        parts += [SECTIONS[kind], *write([each for each in tables if each.kind == kind], store)]
    return "\n".join(parts) + "\n"


def _compared(tables: Sequence[Table], store: Store) -> Lines:
    """A table for each: accuracies, and how far the rows lie from the base."""
    for each in tables:
        base = store.trials(each.name, each.base)
        cells = [
            _row(name, store.trials(each.name, name), base if name != each.base else {})
            for name in each.rows
        ]
        yield f"### {each.name.capitalize()}\n"
        yield table(("", "accuracy", "lowest to highest", "seeds", f"minus {each.base}"), cells)
        yield ""


def _row(name: str, trials: Mapping[int, Trial], base: Mapping[int, Trial]) -> Sequence[str]:
    if not trials:
        return (name, "not measured", "", "", "")
    means = [float(trial.bits().mean()) for trial in trials.values()]
    shown = f"{statistics.mean(means):.3f}", f"{min(means):.3f} to {max(means):.3f}"
    apart = gap(trials, base)
    return (name, *shown, str(len(means)), _told(apart))


def _numbers(tables: Sequence[Table], store: Store) -> Lines:
    """A table for each: accuracies and other numbers, and how far these lie from the base."""
    for each in tables:
        trials = {name: store.trials(each.name, name) for name in each.rows}
        base = trials[each.base]
        names = list(next(iter(base.values())).numbers) if base else []
        header = ["", "accuracy", *(told for name in names for told in (name, "minus the first"))]
        yield f"### {each.name.capitalize()}\n"
        yield table(
            (*header, "seeds"),
            [
                (name, *_cells(trials[name], base if name != each.base else {}, names))
                for name in each.rows
            ],
        )
        yield ""


def _cells(
    trials: Mapping[int, Trial], base: Mapping[int, Trial], names: Sequence[str]
) -> Iterator[str]:
    if not trials:
        yield from ("not measured", *("" for name in names for _ in range(2)), "")
        return
    yield f"{statistics.mean(float(each.bits().mean()) for each in trials.values()):.3f}"
    for name in names:
        yield f"{statistics.mean(each.numbers[name] for each in trials.values()):.3f}"
        apart = shift(trials, base, name)
        yield "" if apart is None else str(apart)
    yield str(len(trials))


def _told(apart: Gap | None) -> str:
    if apart is None:
        return ""
    clear = ", better" if apart.better else ", worse" if apart.worse else ""
    return f"{apart}{clear}"


def _ranked(tables: Sequence[Table], store: Store) -> Lines:
    """For each target the candidates, and below them how well each score orders them."""
    for trained, foretold in zip(tables[::2], tables[1::2], strict=True):
        yield f"### {trained.name.removesuffix(', trained').removeprefix('rank, ').capitalize()}\n"
        seen = {name: store.trials(trained.name, name) for name in trained.rows}
        said = {name: store.trials(foretold.name, name) for name in trained.rows}
        whole = [name for name in trained.rows if seen[name] and said[name]]
        scores = {name: next(iter(said[name].values())).numbers for name in whole}
        accuracies = {name: ranks.interval(seen[name]) for name in whole}
        cells = [
            (name, _accuracy(accuracies[name]), *(f"{scores[name][s]:.4g}" for s in ranks.SCORES))
            for name in sorted(whole, key=lambda name: -accuracies[name][0])
        ]
        yield table(("candidate", "trained", *ranks.SCORES), cells)
        yield ""
        if len(whole) > 1:
            yield table(
                ("score", "pairs in order", "weighted tau"), list(_orders(accuracies, scores))
            )
            yield ""


def _accuracy(found: tuple[float, float, float]) -> str:
    mean, low, high = found
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def _orders(
    accuracies: Mapping[str, tuple[float, float, float]],
    scores: Mapping[str, Mapping[str, float]],
) -> Iterator[Sequence[str]]:
    for score in ranks.SCORES:
        values = {name: scores[name][score] for name in accuracies}
        right, total, tau = ranks.ordered(accuracies, values)
        told = "all alike" if math.isnan(tau) else f"{tau:.2f}"
        yield (score, f"{right} of {total}", told)


def _planted(tables: Sequence[Table], store: Store) -> Lines:
    """The cases with their signs and verdicts, and the draws that have none."""
    signs, verdicts, null = tables
    cells = []
    for case in signs.rows:
        truth = store.trials(signs.name, case)
        found = [trial.told for trial in store.trials(verdicts.name, case).values()]
        true, *told = _sign(truth, len(signs.seeds))
        cells.append((case, *told, *_counted(found, true)))
    header = (
        "source and target",
        "true sign",
        "gap by training",
        "right",
        "wrong sign",
        "verdicts",
    )
    yield table(header, cells)
    for row in null.rows:
        yield f"\n{_null([trial.told for trial in store.trials(null.name, row).values()])}"


def _sign(truth: Mapping[int, Trial], drawings: int) -> tuple[str, str, str]:
    """The sign, if it is clear; in words; and the gap."""
    if len(truth) < drawings:
        return "", f"{len(truth)} of {drawings} drawings measured", ""
    seen, gap = planted.pooled(truth.values())
    sign = seen if seen in _OPPOSITE else ""
    return sign, sign or f"none that is clear ({seen})", str(gap)


_OPPOSITE = {"positive": "negative", "negative": "positive"}


def _counted(found: Sequence[str], sign: str) -> tuple[str, str, str]:
    words = ", ".join(f"{found.count(each)} {each}" for each in sorted(set(found)))
    if not found or not sign:
        return "not counted", "", words
    total = len(found)
    return f"{found.count(sign)} of {total}", f"{found.count(_OPPOSITE[sign])} of {total}", words


def _null(found: Sequence[str]) -> str:
    """How often a random network was called better or worse, and what that allows at most."""
    from scipy import stats

    if not found:
        return "Draws in which both arms are random: not measured."
    wrong = len(found) - sum(each in ("none", "undecided") for each in found)
    most = stats.binomtest(wrong, len(found)).proportion_ci(0.9, method="exact").high
    return (
        f"In {len(found)} draws both arms were random networks, prepared alike: {wrong} of them "
        f"({wrong / len(found):.1%}) were called positive or negative. With 95 % confidence that "
        f"is at most {most:.1%} in the long run (exact binomial bound)."
    )

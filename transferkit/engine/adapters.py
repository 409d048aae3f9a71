"""What trains in a phase: the layers that its policy leaves, or the variables that it adapts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from transferkit import _keras, build
from transferkit._types import KerasModel
from transferkit.adapt import Adapter, BiasesOnly, LowRank, NormOnly
from transferkit.engine.matrices import matrices_of, matrix_of
from transferkit.errors import SpecError, explain
from transferkit.freeze import Freeze
from transferkit.objectives import L2SP
from transferkit.plan import Phase
from transferkit.select import LayerTable

__all__ = ["adapted", "check_adapter", "count_moving", "set_trainable"]

keras = _keras.keras()
NORMS = tuple(
    getattr(keras.layers, f"{kind}Normalization") for kind in ("Batch", "Layer", "Group", "RMS")
)


def set_trainable(network: KerasModel, table: LayerTable, phase: Phase, policy: Freeze) -> None:
    """Freeze and thaw what a phase wants.

    Args:
        network: Takes effect with the next compile.
        table: The backbone's layers.
        phase: Its own policy, or its adapter.
        policy: Of phases that have neither.
    """
    build.freeze(network, table, phase.policy(policy))
    if phase.adapt is not None:
        build.thaw(network, adapted(network, table, phase.adapt))


def adapted(network: KerasModel, table: LayerTable, adapter: Adapter) -> dict[str, list[Any]]:
    """The variables that an adapter lets move, by the layer of the backbone that holds them.

    Raises:
        SelectionError: If `where` names a layer that there is not.
        SpecError: If it selects nothing that can be adapted so, or a kernel with a constraint.
    """
    wanted = adapter.where.resolve(table, verb=adapter.name)
    pick, kinds = _PICKS[type(adapter)]
    found: dict[str, list[Any]] = {}
    for layer in network.layers:
        if layer.name in wanted:
            variables = [each for part in layer._flatten_layers() for each in pick(part)]
            found |= {layer.name: variables} if variables else {}
    if not found:
        raise SpecError(
            explain(
                adapter.name,
                f"of the {len(wanted)} layers that `where` selects, none is {kinds}",
                expected=f"layers with {kinds} among them",
                received={"where": adapter.where},
                mend=f"tk.adapt.{adapter.name}(), or where=tk.select.top_blocks(4); "
                "print(model.layers()) lists what there is",
            )
        )
    return found


def count_moving(network: KerasModel, table: LayerTable, phase: Phase) -> int:
    """How many numbers train in a phase: of a kernel that moves by factors, theirs.

    Args:
        network: As `set_trainable` leaves it for the phase.
        table: The backbone's layers.
        phase: Whose adapter counts.
    """
    moving, _ = build.parameters(network)
    if not isinstance(phase.adapt, LowRank):
        return moving
    matrices = matrices_of(network, table)
    kernels = [each for each in network.trainable_variables if id(each) in matrices]
    for matrix in (matrices[id(kernel)] for kernel in kernels):
        rank = matrix.rank(phase.adapt.rank)
        moving += rank * (matrix.rows + matrix.columns) - matrix.rows * matrix.columns
    return moving


def check_adapter(phase: Phase, network: KerasModel, table: LayerTable) -> None:
    """Refuse an adapter that finds nothing, and what does not go with it.

    Raises:
        SelectionError: See `adapted`.
        SpecError: See `adapted`; or if kernels that move by factors are drawn to their start.
    """
    if phase.adapt is None:
        return
    adapted(network, table, phase.adapt)
    if isinstance(phase.adapt, LowRank) and any(isinstance(x, L2SP) for x in phase.objectives):
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} draws kernels to their start, and lora moves them by the "
                "product of two factors alone",
                expected="one of the two",
                received={"adapt": phase.adapt, "objectives": phase.objectives},
                mend="Phase(..., optimizer=keras.optimizers.AdamW(weight_decay=0.01)) decays the "
                "factors, and with them the way from the start.",
            )
        )


def _kernels(part: Any) -> Iterator[Any]:
    """The kernel, where it is one matrix that may go anywhere."""
    if matrix_of(part) is None:
        return
    if part.kernel.constraint is not None:
        raise SpecError(
            explain(
                "lora",
                f"the kernel of layer {part.name!r} has a constraint, which a sum with a product "
                "would not keep",
                expected="layers without a kernel_constraint",
                received={"kernel_constraint": part.kernel.constraint},
                mend=f"tk.adapt.lora(where=... & ~tk.select.where({part.name!r}))",
            )
        )
    yield part.kernel


def _scales_and_offsets(part: Any) -> Iterator[Any]:
    if isinstance(part, NORMS):
        yield from part._trainable_variables  # whatever `trainable` says now


def _added(part: Any) -> Iterator[Any]:
    offset = getattr(part, "beta" if isinstance(part, NORMS) else "bias", None)
    if any(offset is each for each in part._trainable_variables):
        yield offset


_PICKS: dict[type[Adapter], tuple[Callable[[Any], Iterator[Any]], str]] = {
    LowRank: (_kernels, "Dense, EinsumDense or a convolution without groups"),
    NormOnly: (_scales_and_offsets, "a normalisation layer with a scale or an offset"),
    BiasesOnly: (_added, "a layer with a bias or an offset"),
}

"""A native network against PyTorch's own, on a CPU: ``python tests/contracts/torch_parity.py``.

Both get the same random weights and pictures, and are compared in inference (logits, and every
tap with the output of the PyTorch module that is closest to it) and in one training step
(gradients of all tensors). All is computed in double precision: in single precision rounding
decides the sign of what is almost zero, and one ReLU that opens in one network and not in the
other is a large difference of a gradient.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch  # before TensorFlow: torchvision's compiler crashes a process that has that
from parity_file import keep
from torch_pairs import CLASSES, PAIRS, Pair

from transferkit import _keras
from transferkit.backbones import graph
from transferkit.backbones.torch_hub.filling import fill
from transferkit.backbones.torch_hub.mapping import slots
from transferkit.backbones.torch_hub.state import from_torch

keras, tf = _keras.keras(), _keras.tf()
keras.config.set_floatx("float64")
Array = np.ndarray[Any, Any]
BATCH = 4


@dataclass(frozen=True)
class Errors:
    """The largest differences, relative to the largest number compared.

    Attributes:
        logits: In inference.
        taps: Of the worst tap, in inference.
        gradients: Of the worst tensor, in a training step.
    """

    logits: float
    taps: float
    gradients: float


class Comparison:
    """Both networks of a pair with the same weights.

    Args:
        pair: What is compared.
        seed: Decides weights and pictures.
    """

    def __init__(self, pair: Pair, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.pair = pair
        self.theirs = _settled(pair.reference())
        entry = keras.Input((pair.side, pair.side, 3))
        self.features = pair.architecture.features(entry)
        self.logits = pair.architecture.logits(self.features, CLASSES)
        self.ours = _without_noise(keras.Model(entry, self.logits))
        state = from_torch(self.theirs.state_dict(), of="the reference")
        fill(self.ours, state, pair.family, of="the reference", whole=True)
        self.theirs.double()
        rng = np.random.default_rng(seed)
        self.pictures = rng.standard_normal((BATCH, pair.side, pair.side, 3))
        self.labels = rng.integers(0, CLASSES, BATCH)

    def errors(self) -> Errors:
        """All that is compared."""
        logits, outputs = self._their_inference()
        ours = keras.Model(self.ours.inputs[0], [self.logits, *self._taps()])
        mine, *taps = (np.asarray(each) for each in ours(self.pictures, training=False))
        closest = [min(_error(tap, each) for each in outputs) for tap in taps]
        theirs, gradients = self._their_gradients(), self._our_gradients()
        assert gradients.keys() == theirs.keys()
        # A bias before a norm has a gradient of zero, and all that can be compared is rounding.
        least = 1e-3 * max(np.abs(each).max() for each in theirs.values())
        worst = max(_error(gradients[name], theirs[name], least) for name in theirs)
        return Errors(_error(mine, logits), max(closest), worst)

    def _taps(self) -> list[Any]:
        """The taps as a backbone has them; they are found in a twin, which is given up for it."""
        entry = keras.Input(self.ours.inputs[0].shape[1:])
        twin = keras.Model(entry, self.pair.architecture.features(entry))
        wired = graph.rewire(twin, keras.Input(entry.shape[1:]))
        names = {id(tensor): name for name, tensor in wired.outputs.items()}
        taps = wired.taps()
        assert tuple(sorted(taps)) == self.pair.family.strides
        return [self.ours.get_layer(names[id(tap)]).output for tap in taps.values()]

    def _their_inference(self) -> tuple[Array, list[Array]]:
        outputs: list[Array] = []

        def note(module: Any, given: Any, result: Any) -> None:
            if hasattr(result, "dim") and result.dim() == 4:
                values = result.detach().numpy().transpose(0, 2, 3, 1).copy()
                outputs.extend([values, np.maximum(values, 0)])  # DenseNet's last ReLU is no module

        hooks = [module.register_forward_hook(note) for module in self.theirs.modules()]
        with torch.no_grad():
            logits = self.theirs.eval()(self._tensor())
        for hook in hooks:
            hook.remove()
        return logits.numpy(), outputs

    def _their_gradients(self) -> Mapping[str, Array]:
        loss = torch.nn.functional.cross_entropy(
            self.theirs.train()(self._tensor()), torch.from_numpy(self.labels)
        )
        loss.backward()
        named = self.theirs.named_parameters()
        rename = self.pair.family.rename
        return {rename(name): parameter.grad.numpy().squeeze() for name, parameter in named}

    def _our_gradients(self) -> Mapping[str, Array]:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        with tf.GradientTape() as tape:
            value = loss(self.labels, self.ours(self.pictures, training=True))
        trained = [slot for slot in slots(self.ours) if slot.weight.trainable]
        gradients = tape.gradient(value, [slot.weight.value for slot in trained])
        return {
            slot.tensor: slot.to_torch(np.asarray(gradient)).squeeze()
            for slot, gradient in zip(trained, gradients, strict=True)
        }

    def _tensor(self) -> Any:
        return torch.from_numpy(self.pictures.transpose(0, 3, 1, 2).copy())


def _settled(network: Any) -> Any:
    """Statistics and offsets that are not those of a fresh network, nothing drawn, no in-place."""
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
        if type(module).__name__ in ("Dropout", "StochasticDepth"):
            module.p = 0.0
    for name, tensor in [*network.named_buffers(), *network.named_parameters()]:
        scales = name.endswith(("layer_scale", "gamma"))  # which all but leave a fresh branch out
        if scales or (name.endswith(("running_var", "weight")) and tensor.dim() == 1):
            tensor.data.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            tensor.data.uniform_(-0.2, 0.2)
        elif tensor.is_floating_point() and tensor.min() == tensor.max():  # ViT's head begins at 0
            tensor.data.normal_(std=0.2)
    return network


def _without_noise(network: Any) -> Any:
    """Our stochastic depth draws nothing either."""
    for layer in network.layers:
        if type(layer).__name__ == "Dropout":
            layer.rate = 0.0
    return network


def _error(ours: Array, theirs: Array, least: float = 0.0) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), least))


def main() -> None:
    """Print the largest differences of the families named, or of all; ``--json`` writes a file."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("names", nargs="*", default=list(PAIRS), metavar="family")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps them as well")
    chosen = parser.parse_args()
    found = {name: asdict(Comparison(PAIRS[name]).errors()) for name in chosen.names}
    if chosen.json:
        keep(chosen.json, "torch", found)
    print("| family | logits | taps | gradients |\n|---|---|---|---|")
    for name, errors in found.items():
        print(f"| {name} | {' | '.join(f'{value:.1e}' for value in errors.values())} |")


if __name__ == "__main__":
    main()

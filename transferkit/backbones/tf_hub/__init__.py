"""TensorFlow Hub's SavedModels as backbones, without the package ``tensorflow_hub``.

===================== ===========================================================================
``addresses.py``      where one lies: a folder, an archive, a URL, a handle of Kaggle's
``program.py``        its files and their digests: what runs, and what a saved model takes along
``convention.py``     Hub's conventions: what to call, the modes, what trains
``drawing.py``        numbers to start from where its own are not wanted
``layer.py``          the Keras layer that runs it, its variables in parts
``network.py``        the backbone: pixels, sizes, weights; `from_tf_hub`
===================== ===========================================================================
"""

from __future__ import annotations

from transferkit.backbones.tf_hub.network import HubNetwork, from_tf_hub
from transferkit.backbones.tf_hub.program import Program
from transferkit.spec import Backbone, BackboneInfo

__all__ = ["HubNetwork", "Program", "TFHub", "from_tf_hub"]


class TFHub:
    """``tfhub:``: lists nothing, and takes addresses."""

    def names(self) -> tuple[str, ...]:
        """None: what there is lies with whoever published it."""
        return ()

    def info(self, name: str) -> BackboneInfo:
        """What is known of what lies at an address; it is not trusted, and so refused."""
        return self.network(name, trust=False).info

    def load(
        self, name: str, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> Backbone:
        """Load what lies at an address; it is not trusted, and so refused."""
        return self.network(name, trust=False).load(input_shape=input_shape, weights=weights)

    def network(self, address: str, *, trust: bool) -> HubNetwork:
        """The network at an address; see `from_tf_hub`."""
        return from_tf_hub(address, trust=trust)

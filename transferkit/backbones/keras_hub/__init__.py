"""Networks of KerasHub as flat graphs of layers that Keras has.

==================== ============================================================================
``opening.py``       its composite layers opened
``embeddings.py``    a transformer's first layers, for any size of picture
``tokens.py``        two layers of our own
==================== ============================================================================
"""

from __future__ import annotations

from transferkit.backbones.keras_hub.tokens import own_layers

__all__ = ["own_layers"]

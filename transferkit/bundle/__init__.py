"""One file for a trained network and what belongs to it: the bundle, ``.tkm``.

A bundle is a zip archive without compression:

====================== ==========================================================================
``manifest.json``      format, schema, versions, facts, the tensors in order, a digest per member
``network.json``       Keras' configuration of the functional network
``tensors/00000.npy``  one weight each, in the order of ``network.weights``, as ``np.save`` writes
``programs/DIGEST/``   the files of a SavedModel that a layer runs, where there is one
====================== ==========================================================================

Opening one is safe with a file from a stranger: see `read`. Programs are another matter: `read`
leaves them alone, and whoever unpacks them to run them has to trust the file's author. The digests
notice damage and are no signature: see `manifest`.

    >>> import tempfile, pathlib, keras
    >>> from transferkit import bundle
    >>> pixels = keras.Input((8, 8, 3))
    >>> outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(pixels))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "flowers.tkm"
    >>> bundle.write(path, keras.Model(pixels, outputs), {"class_names": ["daisy", "rose"]})
    >>> bundle.read_manifest(path).facts["class_names"]
    ['daisy', 'rose']
    >>> bundle.read(path).network.output_shape
    (None, 2)
"""

from __future__ import annotations

from transferkit.bundle.manifest import Manifest, damaged
from transferkit.bundle.programs import unpack_programs
from transferkit.bundle.reading import Bundle, read, read_manifest
from transferkit.bundle.writing import write

__all__ = ["Bundle", "Manifest", "damaged", "read", "read_manifest", "unpack_programs", "write"]

"""Data: pictures with labels, in splits that share one class list.

>>> import numpy as np
>>> import transferkit as tk
>>> photos = tk.data.from_arrays(np.zeros((10, 8, 8, 3), np.uint8), [0, 1] * 5)
>>> photos
Data: 8 train, 2 val pictures, 2 classes (0, 1), 8 x 8, 3 channels
"""

from __future__ import annotations

from transferkit.data.arrays import from_arrays
from transferkit.data.bundle import Data, Split
from transferkit.data.dataset import from_dataset
from transferkit.data.decode import decode
from transferkit.data.directory import from_directory
from transferkit.data.fitting import Crop
from transferkit.data.frame import from_dataframe
from transferkit.data.report import Balance, Report
from transferkit.data.similar import NearDuplicates, near_duplicates

__all__ = [
    "Balance",
    "Crop",
    "Data",
    "NearDuplicates",
    "Report",
    "Split",
    "decode",
    "from_arrays",
    "from_dataframe",
    "from_dataset",
    "from_directory",
    "near_duplicates",
]

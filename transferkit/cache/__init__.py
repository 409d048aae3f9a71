"""What frozen layers gave, kept on disk: where it lies, what is there, how it is emptied.

    >>> import transferkit as tk
    >>> info = tk.cache.info()
    >>> info.total <= info.limit
    True

An engine fills it by itself (``tk.Engine(cache=...)``); `Store` is what it writes to.
"""

from transferkit.cache.entries import Entry
from transferkit.cache.listing import CacheInfo, EntryInfo, clear, info
from transferkit.cache.places import folder
from transferkit.cache.store import Store
from transferkit.cache.writing import Writer

__all__ = ["CacheInfo", "Entry", "EntryInfo", "Store", "Writer", "clear", "folder", "info"]

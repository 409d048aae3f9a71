"""What is put into a cache comes out of it, under its own name and no other."""

from __future__ import annotations

import json
import tempfile
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from transferkit.cache import Store, keys

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
PARTS = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        LEAVES | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=6,
    ),
    max_size=4,
)
NUMBERS = hnp.integer_dtypes() | hnp.unsigned_integer_dtypes() | hnp.floating_dtypes()
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
ARRAYS = hnp.arrays(NUMBERS | hnp.boolean_dtypes(), SHAPES)


@given(PARTS, PARTS)
def test_keys_are_equal_exactly_where_the_json_is(one: Any, other: Any) -> None:
    texts = [json.dumps(parts, sort_keys=True) for parts in (one, other)]
    assert (keys.key(one) == keys.key(other)) == (texts[0] == texts[1])
    again = json.loads(texts[0])
    assert keys.key(dict(reversed(again.items()))) == keys.key(one)


@given(st.dictionaries(st.text(max_size=4), ARRAYS, max_size=3), PARTS)
def test_what_is_written_is_read(arrays: dict[str, np.ndarray], about: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, key = Store(folder, limit=10**6), keys.key(about)
        shapes = {name: (array.shape, array.dtype) for name, array in arrays.items()}
        with store.create(key, shapes, about) as writer:
            for name, array in arrays.items():
                writer.arrays[name][...] = array
        found = Store(folder).find(key)
        assert found is not None
        assert json.dumps(found.about, default=dict, sort_keys=True) == json.dumps(
            about, sort_keys=True
        )
        for name, array in arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array, strict=True)
        assert keys.digest(*found.arrays.values()) == keys.digest(*map(arrays.get, found.arrays))


@given(ARRAYS, st.data())
def test_a_digest_sees_every_value(array: np.ndarray, data: st.DataObject) -> None:
    assert keys.digest(array) == keys.digest(np.array(array, order="F"))
    if array.size:
        changed = array.copy()
        raw = changed.reshape(-1).view(np.uint8)
        raw[data.draw(st.integers(0, raw.size - 1))] ^= data.draw(st.integers(1, 255))
        assert keys.digest(changed) != keys.digest(array)

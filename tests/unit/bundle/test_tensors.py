from __future__ import annotations

import io

import ml_dtypes
import numpy as np
import pytest

from transferkit.bundle import tensors


@pytest.mark.parametrize("dtype", sorted(tensors.DTYPES))
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (1, 2, 3, 4)])
def test_every_dtype_and_shape_comes_back(dtype: str, shape: tuple[int, ...]) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    array = np.random.default_rng(0).integers(0, 100, shape).astype(kind)
    header, body = tensors.encode(array)
    again = tensors.decode(header + body.tobytes(), shape=shape, dtype=dtype)
    assert again.dtype == kind
    assert again.shape == shape
    assert again.tobytes() == array.tobytes()


def test_the_bytes_are_those_of_np_save() -> None:
    array = np.arange(6, dtype="float32").reshape(2, 3)
    expected = io.BytesIO()
    np.save(expected, array, allow_pickle=False)
    header, body = tensors.encode(array)
    assert header + body.tobytes() == expected.getvalue()


def test_turned_and_big_endian_arrays_are_stored_alike() -> None:
    array = np.arange(6, dtype="float32").reshape(2, 3)
    turned = np.asfortranarray(array)
    swapped = array.astype(">f4")
    plain = tensors.encode(array)
    for other in (tensors.encode(turned), tensors.encode(swapped)):
        assert other[0] == plain[0]
        assert other[1].tobytes() == plain[1].tobytes()


def saved(array: object, **kwargs: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **kwargs)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (saved(np.zeros((2, 2), "float32")), r"\(2, 2\) where float32 \(2, 3\) was listed"),
        (saved(np.zeros((2, 3), "float64")), "float64 .* was listed"),
        (saved(np.zeros((3, 2), "float32").T), "was listed"),
        (saved(np.array([[None] * 3] * 2), allow_pickle=True), "object"),
        (saved(np.zeros((2, 3), "float32"))[:-1], "do not fill"),
        (saved(np.zeros((2, 3), "float32")) + b"x", "do not fill"),
        (b"\x93NUMPY\x02\x00" + saved(np.zeros((2, 3), "float32"))[8:], "npy version"),
        (b"PK\x03\x04 something else", "magic"),
        (b"", "magic|EOF"),
    ],
)
def test_a_member_that_is_something_else_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        tensors.decode(data, shape=(2, 3), dtype="float32")

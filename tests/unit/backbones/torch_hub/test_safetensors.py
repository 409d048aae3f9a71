"""Reading ``.safetensors``: every dtype, and headers that lie."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit.backbones.torch_hub.safetensors import read
from transferkit.errors import WeightsError


def written(path: Path, header: Any, data: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_each_dtype_is_read_as_it_was_written(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.0, 0.25]])
    halves = values.astype(np.float16).tobytes()
    brain = (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    whole = np.array([3, -4], "<i8").tobytes()
    header = {
        "__metadata__": {"format": "pt"},
        "odd": entry("BOOL", [3], [0, 3]),  # what follows lies at odd places
        "half": entry("F16", [1, 3], [3, 9]),
        "brain": entry("BF16", [1, 3], [9, 15]),
        "single": entry("F32", [1, 3], [15, 27]),
        "whole": entry("I64", [2], [27, 43]),
        "empty": entry("F32", [0, 4], [43, 43]),
        "number": entry("F64", [], [43, 51]),
    }
    data = b"\1\0\1" + halves + brain + values.astype("<f4").tobytes() + whole
    found = read(written(tmp_path / "a.safetensors", header, data + np.float64(7).tobytes()))
    assert list(found) == ["odd", "half", "brain", "single", "whole", "empty", "number"]
    for name in ("half", "brain", "single"):
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_array_equal(found["odd"], [True, False, True])
    np.testing.assert_array_equal(found["whole"], [3, -4])
    assert found["empty"].shape == (0, 4)
    assert float(found["number"]) == 7


@pytest.mark.parametrize(
    ("header", "data", "text"),
    [
        (b"{", b"", "its header is not JSON"),
        (b"[" * 100_000, b"", "its header is not JSON"),
        (b'{"a": 1, "a": 2}', b"", "a name comes twice"),
        ([], b"", "its header is a list"),
        ({"a": 3}, b"", "the tensor 'a' is described by 3"),
        ({"a": entry(dtype="F4")}, b"", "the tensor 'a' is described by"),
        ({"a": entry(dtype=["F32"])}, b"", "the tensor 'a' is described by"),
        ({"a": entry(shape=[-2])}, b"", "the tensor 'a' is described by"),
        ({"a": entry(shape=[2.0])}, b"", "the tensor 'a' is described by"),
        ({"a": entry(shape="22")}, b"", "the tensor 'a' is described by"),
        ({"a": entry(offsets=[0])}, b"", "the tensor 'a' is described by"),
        ({"a": entry(shape=[3])}, b"8 bytes.", r"'a', F32 of the shape \(3,\), lies in 8 bytes"),
        ({"a": entry(shape=[2**62, 4])}, b"8 bytes.", "lies in 8 bytes and not in"),
        ({"a": entry(offsets=[8, 0])}, b"8 bytes.", "lies in -8 bytes and not in 8"),
        ({"a": entry()}, b"7 bytes", "lie in the bytes 0 to 8, and there are 7 behind"),
        ({"a": entry()}, b"nine bytes", "lie in the bytes 0 to 8, and there are 10 behind"),
        ({"a": entry(offsets=[4, 12])}, b"twelve bytes", "lie in the bytes 4 to 12"),
        ({"a": entry(), "b": entry(offsets=[4, 12])}, b"12 bytes long", "'a' and 'b' overlap"),
        ({"a": entry(), "b": entry(offsets=[9, 17])}, b"17", "'a' and 'b' leave bytes between"),
        ({}, b"rest", "lie in the bytes 0 to 0, and there are 4 behind the header"),
    ],
)
def test_a_header_that_lies_is_refused(header: Any, data: bytes, text: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"weights: a.safetensors is no safetensors .*{text}"):
        read(written(tmp_path / "a.safetensors", header, data))


@pytest.mark.parametrize("length", [2, 2**20, 2**63])
def test_a_length_that_lies_is_refused(length: int, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is said to have|is not JSON"):
        read(written(tmp_path / "a.safetensors", {"a": entry()}, b"8 bytes.", length=length))


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_file_without_a_header_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"it has {len(content)} bytes, too few for a header"):
        read(file)

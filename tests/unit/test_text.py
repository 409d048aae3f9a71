from __future__ import annotations

import json
import math

import pytest

from transferkit import _text


def test_what_cannot_be_seen_is_written_out() -> None:
    assert _text.printable("a\nb\x1b[31m\udc80é日") == "a\\nb\\x1b[31m\\udc80é日"


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 10, "short"),
        ("train/roses/0001.jpg", 11, "train…1.jpg"),
        ("日本語日本語日本語", 7, "日…本語"),
        ("ab\n", 10, "ab\\n"),
    ],
)
def test_long_text_loses_its_middle(text: str, most: int, expected: str) -> None:
    assert _text.shortened(text, most) == expected
    assert _text.width(_text.shortened(text, most)) <= most


def test_columns_are_aligned_whatever_the_script() -> None:
    table = _text.text_table(["", "n"], [["日本", "1"], ["abc", "10"]])
    assert table == "       n\n日本   1\nabc   10"


def test_a_cell_of_a_page_is_escaped() -> None:
    page = _text.html_table("<b>\nx & y", ["h"], [["<script>alert(1)</script>"]])
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;<br>x &amp; y" in page


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min")],
)
def test_times_are_told_in_two_units(seconds: float, expected: str) -> None:
    assert _text.duration(seconds) == expected


@pytest.mark.parametrize("value", [1.5, math.inf, -math.inf])
def test_numbers_come_back_from_json(value: float) -> None:
    assert float(json.loads(json.dumps(_text.json_number(value), allow_nan=False))) == value


def test_nan_comes_back_from_json() -> None:
    assert math.isnan(float(_text.json_number(math.nan)))

"""`Report`: what is printed of hand-made findings."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferkit.data import Report, from_directory
from transferkit.data.report import leaks


def counts(classes: int, **splits: int) -> dict[str, dict[str, int]]:
    """Class number i has i pictures more than the split's own number."""
    return {
        split: {f"class_{i:03}": least + i for i in range(classes)}
        for split, least in splits.items()
    }


def cells(line: str) -> list[str]:
    return line.split()


def test_a_report_counts_every_class_in_every_split() -> None:
    *lines, balance = str(Report(counts(3, train=10, val=2, test=1))).splitlines()
    assert balance.startswith("balance: ")
    assert [cells(line) for line in lines] == [
        ["train", "val", "test"],
        ["class_000", "10", "2", "1"],
        ["class_001", "11", "3", "2"],
        ["class_002", "12", "4", "3"],
        ["all", "33", "9", "6"],
    ]
    assert len({len(line) for line in lines}) == 1, "columns stand below each other"


@pytest.mark.parametrize(("classes", "more"), [(20, None), (21, 1), (1000, 980)])
def test_only_twenty_classes_are_printed_and_all_are_counted(
    classes: int, more: int | None
) -> None:
    lines = str(Report(counts(classes, train=1, val=0))).splitlines()
    named = [line for line in lines if line.startswith("class_")]
    assert [cells(line)[0] for line in named] == [f"class_{i:03}" for i in range(20)]
    assert [line for line in lines if "more classes" in line] == (
        [] if more is None else [f"... and {more} more classes"]
    )
    total = classes * (classes - 1) // 2
    (whole,) = (line for line in lines if line.startswith("all "))
    assert cells(whole) == ["all", str(total + classes), str(total)]


def test_a_class_that_a_split_lacks_counts_as_none() -> None:
    lines = str(Report({"train": {"a": 3, "b": 2}, "val": {"a": 1}})).splitlines()
    assert cells(lines[2]) == ["b", "2", "0"]
    assert cells(lines[3]) == ["all", "5", "1"]


def test_sizes_are_height_by_width() -> None:
    shown = str(Report(counts(2, train=1), sizes=((8, 9), (20, 30), (400, 300))))
    assert "sizes: 8 x 9 smallest, 20 x 30 median, 400 x 300 largest" in shown


def test_what_was_left_out_is_counted_by_reason_with_one_example() -> None:
    ignored = {
        "hidden": (Path("a/.x.png"), Path("a/.y.png")),
        "no picture": (Path("b/notes.txt"),),
    }
    lines = str(Report(counts(2, train=1), ignored=ignored)).splitlines()
    assert f"ignored: 2 (hidden), as {Path('a/.x.png')}" in lines
    assert f"ignored: 1 (no picture), as {Path('b/notes.txt')}" in lines


def test_ten_bad_files_are_named_and_all_are_counted() -> None:
    bad = tuple((Path(f"a/{i}.png"), "the file is empty") for i in range(12))
    report = Report(counts(2, train=5), bad=bad)
    lines = str(report).splitlines()
    named = [line for line in lines if line.startswith("bad: ")]
    assert named == [f"bad: {Path(f'a/{i}.png')}: the file is empty" for i in range(10)]
    assert lines[-1] == "warning: 12 files cannot be decoded and are left out"
    assert report.warnings == ("12 files cannot be decoded and are left out",)


def test_duplicates_are_counted_and_only_leaks_are_warned_of() -> None:
    groups = ((Path("train/a/1.png"), Path("train/a/2.png")), (Path("t/3.png"), Path("v/3.png")))
    harmless = Report(counts(2, train=5, val=1), duplicates=groups[:1])
    assert "duplicates: 1 group of files with the same bytes" in str(harmless)
    assert harmless.warnings == ()
    leaking = Report(counts(2, train=5, val=1), duplicates=groups, leaks=groups[1:])
    lines = str(leaking).splitlines()
    assert "duplicates: 2 groups of files with the same bytes" in lines
    expected = (
        f"1 picture is in more than one split, as {Path('t/3.png')} and {Path('v/3.png')}: "
        "scores will be too good"
    )
    assert leaking.warnings == (expected,)
    assert lines[-1] == f"warning: {expected}"


@pytest.mark.parametrize(
    ("train", "warns"),
    [
        ({"a": 100, "b": 10}, False),
        ({"a": 101, "b": 10}, True),
        ({"a": 101, "b": 10, "c": 11}, True),
        ({}, False),
    ],
)
def test_classes_of_very_different_sizes_are_warned_of(train: dict[str, int], warns: bool) -> None:
    found = Report({"train": train, "val": {"a": 1000, "b": 1}}).warnings
    assert len(found) == warns
    if warns:
        assert f"{train['a']} training pictures, the smallest {train['b']}" in found[0]
        assert "class_weight='balanced'" in found[0]


def test_a_report_without_findings_has_nothing_but_counts() -> None:
    assert len(str(Report(counts(2, train=5))).splitlines()) == 5
    assert Report(counts(2, train=5)).warnings == ()
    assert str(Report({})).split() == ["all"]


def test_names_of_any_length_keep_the_columns() -> None:
    names = {"a": 1, "n" * 60: 2, "<script>alert(1)</script>": 3}
    *lines, _balance = str(Report({"train": names, "val": names})).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [cells(line)[-2:] for line in lines[1:]] == [
        ["1", "1"],
        ["2", "2"],
        ["3", "3"],
        ["6"] * 2,
    ]
    assert lines[2].startswith("nnnn")
    assert "…" in lines[2], "a name that would fill the line loses its middle"
    assert lines[3].startswith("<script>alert(1)</script>")


EVIL = "x\x1b]0;title\x07\x1b[2J\nall 999\r\u202e\udcff"


@pytest.mark.parametrize(
    "made",
    [
        Report({"train": {EVIL: 1, "b": 1}}),
        Report({"train": {"a": 1}}, bad=((Path(EVIL), EVIL),)),
        Report({"train": {"a": 1}}, ignored={"hidden": (Path(EVIL),)}),
        Report({"train": {"a": 1}}, leaks=((Path(EVIL), Path("b")),)),
    ],
    ids=["class", "bad", "ignored", "leak"],
)
def test_a_name_writes_nothing_but_itself(made: Report) -> None:
    for text in (str(made), *made.warnings):
        assert all(char.isprintable() or char == "\n" for char in text)
        assert "all 999" not in text.splitlines()
        text.encode()


def test_columns_stand_below_each_other_in_any_script() -> None:
    lines = str(Report({"train": {"\u82b1": 1, "ab": 22}})).splitlines()
    assert lines[1] == "\u82b1       1"  # the sign is two columns wide
    assert lines[2] == "ab      22"


# ------------------------------------------------------------------------------ balance


def test_the_balance_of_equal_classes_is_1() -> None:
    balance = Report({"train": dict.fromkeys("abcd", 7), "val": {"a": 100}}).balance
    assert balance is not None
    assert balance.ratio == 1
    assert "balance: all classes have 7 training pictures" in str(
        Report({"train": dict.fromkeys("abcd", 7)})
    )
    assert balance.effective == pytest.approx(1)


def test_the_balance_is_that_of_the_entropy() -> None:
    balance = Report({"train": {"a": 8, "b": 4, "c": 4, "d": 0}}).balance
    assert balance is not None
    assert (balance.largest, balance.smallest) == (("a", 8), ("d", 0))
    assert balance.ratio == float("inf")
    # 1.5 bits make 2 ** 1.5 classes of the four.
    assert balance.effective == pytest.approx(2**1.5 / 4)


@pytest.mark.parametrize(
    "train", [{}, {"pictures": 9}, {"a": 0, "b": 0}], ids=["none", "one", "empty"]
)
def test_where_there_are_no_classes_there_is_no_balance(train: dict[str, int]) -> None:
    report = Report({"train": train})
    assert report.balance is None
    assert "balance" not in str(report)


@pytest.mark.parametrize(
    ("train", "line"),
    [
        ({"a": 1200, "b": 400}, "a has most (1,200), b least (400): 3.0 to 1, effective share of "),
        ({"a": 8, "b": 0}, "a has most (8), b least (0): 8 to none, effective share of "),
    ],
)
def test_the_balance_names_the_largest_and_the_smallest(train: dict[str, int], line: str) -> None:
    assert f"balance: {line}" in str(Report({"train": train}))


# ------------------------------------------------------------------------------ files


def test_kinds_are_counted_and_the_most_frequent_is_first(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        noise = np.random.default_rng(ord(label)).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        picture = Image.fromarray(noise)
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
            picture.convert(mode).save(tmp_path / label / f"{mode}.png")
        picture.convert("CMYK").save(tmp_path / label / "ink.tif")
        picture.rotate(90).save(tmp_path / label / "more.png")
        Image.fromarray(noise[..., 0].astype(np.uint16)).save(tmp_path / label / "deep.png")
    for size in (None, 3):
        report = from_directory(tmp_path, image_size=size, val=0).report
        assert dict(report.kinds) == {
            "RGB": 4,
            "grey": 2,
            "RGBA": 2,
            "palette": 2,
            "LA": 2,
            "CMYK": 2,
            "1-bit": 2,
            "16-bit grey": 2,
        }
        assert next(iter(report.kinds)) == "RGB"
        assert "colours: 4 RGB, 2 grey, 2 RGBA" in str(report)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("size", [None, 3])
def test_sizes_are_those_of_the_upright_picture(
    tmp_path: Path, ending: str, size: int | None
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.new("RGB", (10, 20), (label == "a" and "red") or "blue").save(
            tmp_path / label / f"0.{ending}", exif=exif
        )
    assert from_directory(tmp_path, image_size=size, val=0).report.sizes == ((10, 20),) * 3


def test_a_file_in_two_splits_is_a_leak_though_it_is_one_file() -> None:
    file = Path("a.png")
    assert leaks(((file, file),), {"train": (file,), "val": (file,)}) == ((file, file),)
    assert leaks(((file, file),), {"train": (file, file), "val": (None,)}) == ()


# ------------------------------------------------------------------------------ in a notebook


class Cells(HTMLParser):
    """The texts of all cells, and every attribute there is."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def full() -> Report:
    return Report(
        counts(30, train=3, val=1),
        sizes=((8, 9), (20, 30), (400, 300)),
        kinds={"RGB": 1500, "grey": 2},
        ignored={"hidden": (Path("<i>.x"),)},
        bad=((Path("<script>alert(1)</script>.jpg"), "the file is empty"),),
        mismatched=((Path("b.jpg"), "PNG"),),
        duplicates=((Path("1"), Path("2")),),
        leaks=((Path("1"), Path("2")),),
    )


def test_a_notebook_sees_what_is_printed() -> None:
    page = Cells(full()._repr_html_())
    assert "script" not in page.tags
    for line in str(full()).splitlines()[-9:]:
        name, _, value = line.partition(": ")
        assert name in page.cells
        assert value in page.cells
    assert page.cells[3:6] == ["class_000", "3", "1"]
    assert "... and 10 more classes" in page.cells
    assert "<script>alert(1)</script>.jpg: the file is empty" in page.cells
    styles = {value for name, value in page.attributes}
    assert not any("color" in str(value) or "background" in str(value) for value in styles)


@pytest.mark.parametrize("made", [Report({}), Report({"train": {EVIL: 1, "b": 1}})])
def test_any_report_can_be_shown(made: Report) -> None:
    page = Cells(made._repr_html_())
    page_text = "".join(page.cells)
    assert page_text.isprintable()
    page_text.encode()


def test_classes_that_a_split_lacks_are_warned_of() -> None:
    found = Report({"train": {"a": 4, "b": 4, "c": 0}, "val": {"a": 1, "b": 0, "c": 0}}).warnings
    assert found == ("1 class has no training pictures, as c", "1 class has no val pictures, as b")
    plain = Report({"train": {"pictures": 4}, "val": {"pictures": 1}})
    assert plain.warnings == ()


@pytest.mark.parametrize(
    ("asked", "got", "warns"),
    [(0.2, 0.25, False), (0.2, 0.5, True), (0.05, 0.5, True), (0.2, 0.09, True), (0.6, 0.4, False)],
)
def test_shares_far_from_those_asked_are_warned_of(asked: float, got: float, warns: bool) -> None:
    found = Report(counts(2, train=5), shares={"val": (asked, got)}).warnings
    assert found == ((f"val was to have {asked:.0%} of the pictures and has {got:.0%}",) * warns)

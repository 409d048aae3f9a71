from __future__ import annotations

import re
from collections import Counter

import make_backbones_page
import pytest
import sources_table

import transferkit as tk


def rows(begin: str = r"\| `keras:\w") -> list[list[str]]:
    text = make_backbones_page.PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(begin, line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_says_what_is_registered() -> None:
    infos = [tk.backbones.info(name) for name in tk.backbones.names("keras:*")]
    wanted = [list(make_backbones_page.cheap_columns(info)) for info in infos]
    assert [row[:-1] for row in rows()] == wanted


def test_every_preprocessing_on_the_page_is_that_of_keras() -> None:
    assert all(float(row[-1]) <= 1e-5 for row in rows())


@pytest.mark.parametrize("source", sources_table.FAMILIES)
def test_each_network_is_of_one_family(source: str) -> None:
    counted = Counter(name for each in sources_table.FAMILIES[source] for name in each.names)
    assert counted == Counter(tk.backbones.names(f"{source}*"))


def test_the_table_of_sources_has_each_family_and_its_parity() -> None:
    found = rows(r"\| `\w+:` ")
    counted = Counter(row[0] for row in found)
    assert list(counted) == ["`keras:`", "`torch:`", "`hub:`", "`tfhub:`"]
    for source, families in sources_table.FAMILIES.items():
        mine = [row[1:3] for row in found if row[0] == f"`{source}`"]
        assert mine == [[each.title, str(len(each.names))] for each in families]
    assert all(float(row[4]) <= 1e-5 for row in found)

from __future__ import annotations

import make_backbones_page

import transferkit as tk


def rows() -> list[list[str]]:
    text = make_backbones_page.PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_says_what_is_registered() -> None:
    infos = [tk.backbones.info(name) for name in tk.backbones.names("keras:*")]
    wanted = [list(make_backbones_page.cheap_columns(info)) for info in infos]
    assert [row[:-1] for row in rows()] == wanted


def test_every_preprocessing_on_the_page_is_that_of_keras() -> None:
    assert all(float(row[-1]) <= 1e-5 for row in rows())

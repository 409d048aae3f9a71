"""What is shown of work that takes long: nothing at first, then a line, or lines."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest

from transferkit._progress import Progress, check_verbose, is_live
from transferkit.errors import SpecError


class Terminal(io.StringIO):
    """A screen: it says that it is one, and knows what stands on it."""

    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        """What is seen of each line, when all has been written over."""
        lines = []
        for line in self.getvalue().split("\n"):
            seen = ""
            for part in line.split("\r"):
                seen = part + seen[len(part) :]
            lines.append(seen.rstrip())
        return lines


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(out: Any, steps: int, seconds: float, **keywords: Any) -> Progress:
    """Count `steps` steps of so many seconds each."""
    clock = Clock()
    with Progress("decode", steps, out=out, clock=clock, **keywords) as progress:
        for _ in range(steps):
            clock.now += seconds
            progress.advance()
    return progress


@pytest.mark.parametrize("out", [Terminal(), io.StringIO()])
def test_short_work_is_silent(out: io.StringIO) -> None:
    run(out, 10, 0.09)
    assert out.getvalue() == ""


@pytest.mark.parametrize("out", [Terminal(), io.StringIO()])
def test_verbose_0_is_silent_for_ever(out: io.StringIO) -> None:
    progress = Progress("decode", 10, out=out, clock=Clock(), verbose=0)
    run(out, 10, 1000, verbose=0)
    progress.finish("done")
    assert out.getvalue() == ""


def test_a_terminal_has_one_line_that_is_written_over() -> None:
    out = Terminal()
    clock = Clock()
    with Progress("decode", 320, out=out, clock=clock) as progress:
        for step in range(320):
            clock.now += 1 / 32
            progress.advance()
            if step == 31:
                assert out.screen == ["decode: 32 of 320 (10 %), 32/s, 9.0 s left"]
    assert out.screen == ["decode: 320 of 320 (100 %), 32/s, 10 s", ""]
    assert 60 < out.getvalue().count("\r") < 100, "ten times a second, after the first"


def test_a_log_has_few_plain_lines_and_a_last_one() -> None:
    out = io.StringIO()
    run(out, 3600, 1.0)
    *lines, last = out.getvalue().splitlines()
    assert lines[0] == "decode: 10 of 3,600 (0 %), 1.0/s, 59 min 50 s left"
    assert last == "decode: 3,600 of 3,600 (100 %), 1.0/s, 1 h 0 min"
    assert 10 < len(lines) < 20
    assert "\r" not in out.getvalue()
    assert out.getvalue().isascii()


def test_plain_lines_are_to_be_had_in_a_terminal() -> None:
    out = Terminal()
    run(out, 40, 1.0, verbose=2)
    assert out.getvalue().splitlines()[0] == "decode: 10 of 40 (25 %), 1.0/s, 30 s left"
    assert "\r" not in out.getvalue()


def test_what_has_no_known_end_is_counted() -> None:
    out, clock = Terminal(), Clock()
    with Progress("scan", out=out, clock=clock) as progress:
        clock.now += 2
        progress.advance(5000)
    assert out.screen == ["scan: 5,000, 2,500/s, 2.0 s", ""]


def test_notes_stand_at_the_end_and_the_last_line_may_be_another() -> None:
    out, clock = Terminal(), Clock()
    progress = Progress("Epoch 1/2", 4, out=out, clock=clock)
    clock.now += 2
    progress.advance(note="loss: 0.5")
    assert out.screen == ["Epoch 1/2: 1 of 4 (25 %), 0.5/s, 6.0 s left - loss: 0.5"]
    progress.finish("Epoch 1/2 - 2.0 s")
    assert out.screen == ["Epoch 1/2 - 2.0 s", ""]


def test_a_last_line_is_printed_even_of_short_work_if_it_is_asked_for() -> None:
    for out in (Terminal(), io.StringIO()):
        Progress("Epoch 1/2", 4, out=out, clock=Clock()).finish("Epoch 1/2 - 0.0 s")
        assert out.getvalue().strip("\r") == "Epoch 1/2 - 0.0 s\n"


def test_an_error_leaves_the_line_and_ends_it() -> None:
    out, clock = Terminal(), Clock()

    def interrupted() -> None:
        with Progress("decode", 4, out=out, clock=clock) as progress:
            clock.now += 2
            progress.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert out.screen == ["decode: 1 of 4 (25 %), 0.5/s, 6.0 s left", ""]


def test_a_line_too_long_for_the_terminal_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out, clock = Terminal(), Clock()
    progress = Progress("decode", 4, out=out, clock=clock)
    clock.now += 2
    progress.advance(note="x" * 100)
    assert len(out.screen[0]) == 29
    progress.finish("y" * 40)
    assert out.screen[0] == "y" * 40


def test_a_label_writes_nothing_but_itself() -> None:
    out = Terminal()
    clock = Clock()
    progress = Progress("a\x1b[2J", 4, out=out, clock=clock)
    clock.now += 2
    progress.advance(note="b\x07")
    progress.finish("c\x1b")
    assert "\x1b" not in out.getvalue()
    assert "\x07" not in out.getvalue()


def test_a_program_without_a_console_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    run(None, 5, 100)


def test_a_notebooks_cell_is_written_over() -> None:
    class OutStream(io.StringIO):
        pass

    OutStream.__module__ = "ipykernel.iostream"
    assert is_live(OutStream())
    assert is_live(Terminal())
    assert not is_live(io.StringIO())


def test_a_pipe_gets_lines_in_any_encoding() -> None:
    code = (
        "import transferkit._progress as p; p.LINES_AFTER = 0.0\n"
        "with p.Progress('decode', 3) as shown:\n"
        "    for _ in range(3): shown.advance()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii"},
    )
    lines = done.stdout.decode("ascii").splitlines()
    assert lines[0].startswith("decode: 1 of 3 (33 %), ")
    assert lines[-1].startswith("decode: 3 of 3 (100 %), ")


@pytest.mark.parametrize("verbose", [3, -1, "auto", None])
def test_an_unknown_verbose_is_refused(verbose: Any) -> None:
    with pytest.raises(SpecError) as caught:
        check_verbose("from_directory", verbose)
    text = str(caught.value)
    assert "from_directory: verbose is unknown" in text
    assert f"verbose={verbose!r}" in text
    assert "from_directory(..., verbose=0)" in text

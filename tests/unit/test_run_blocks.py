"""The examples of the documentation: they are found, they run, and a broken one is seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import make_workplace
import numpy as np
import pytest
import run_blocks
from PIL import Image
from run_blocks import Block, blocks_of, fenced_blocks, report, run_all, run_apart, run_block


def page(folder: Path, *lines: str, name: str = "page.md") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def names() -> dict[str, object]:
    return {"__name__": "__main__"}


def outcome_of(*paths: Path, folder: Path) -> list[list[str | None]]:
    workplace = folder / "workplace"
    workplace.mkdir()
    (workplace / "flowers").mkdir()
    counts = {path: len(blocks_of(path)) for path in paths}
    return [outcome.errors for outcome in run_apart(counts, workplace, folder / "here")]


def test_a_python_block_is_found_with_the_line_it_begins_on() -> None:
    blocks = list(fenced_blocks("Words.\n\n```python\nx = 1\n```\n"))
    assert blocks == [Block(4, "script", "x = 1\n")]


def test_a_block_with_prompts_is_a_session() -> None:
    text = "```pycon\n>>> 1\n1\n```\n```python\n>>> 2\n2\n```\n```python\nx = '>>>'\n```\n"
    assert [block.kind for block in fenced_blocks(text)] == ["session", "session", "script"]


@pytest.mark.parametrize("mark", ["bash", "sh", "text", "toml", "json", "console", "{toctree}"])
def test_a_block_of_another_language_is_left_alone(mark: str) -> None:
    assert list(fenced_blocks(f"```{mark}\nnot python\n```\n")) == []


def test_a_block_in_a_list_loses_its_indent() -> None:
    (block,) = fenced_blocks("1. First:\n\n   ```python\n   if True:\n       x = 1\n   ```\n")
    assert block.source == "if True:\n    x = 1\n"


def test_a_longer_fence_holds_a_shorter_one() -> None:
    (block,) = fenced_blocks("~~~~python\nx = '''\n~~~\n'''\n~~~~\n")
    assert block.source == "x = '''\n~~~\n'''\n"


@pytest.mark.parametrize("mark", ["", "pyhton", "{eval-rst}"])
def test_a_fence_with_no_known_mark_fails(mark: str) -> None:
    (block,) = fenced_blocks(f"```{mark}\nx = 1\n```\n")
    assert run_block(block, "page.md", names()) == (
        f"this fence is marked {mark!r}: write python, pycon or text"
    )


def test_a_fence_that_is_never_closed_fails() -> None:
    (block,) = fenced_blocks("```python\nx = 1\n")
    assert run_block(block, "page.md", names()) == "this fence is never closed"


def test_code_within_a_line_is_no_fence() -> None:
    assert list(fenced_blocks("```x``` is a name.\n\nWords.\n")) == []


def test_an_example_cannot_be_skipped() -> None:
    (block,) = fenced_blocks("```pycon\n>>> gone()  # doctest: +SKIP\n```\n")
    assert run_block(block, "page.md", names()) == (
        "an example is skipped: let it run, or mark it text"
    )


def test_blocks_of_a_page_share_their_names() -> None:
    shared = names()
    script, session = "```python\nx = 20\n```\n", "```pycon\n>>> y = x + 1\n>>> y\n21\n```\n"
    for block in fenced_blocks(script + session + "```python\nassert y == 21\n```\n"):
        assert run_block(block, "page.md", shared) is None


def test_a_wrong_output_fails_with_its_line() -> None:
    (block,) = fenced_blocks("\n\n```pycon\n>>> y = 1\n>>> y + 1\n3\n```\n")
    error = run_block(block, "page.md", names())
    assert error is not None
    assert 'File "page.md", line 5' in error
    assert "Expected:\n    3\nGot:\n    2\n" in error


def test_an_output_may_leave_out_what_varies() -> None:
    (block,) = fenced_blocks("```pycon\n>>> print('loss', 0.25,   'after 3 s')\nloss ... s\n```\n")
    assert run_block(block, "page.md", names()) is None


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("x = 1\nraise LookupError('gone')", 'page.md", line 5, in <module>'),
        ("x = 1\nassert x == 2", "AssertionError"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit"),
    ],
)
def test_a_script_that_stops_fails_with_its_traceback(source: str, seen: str) -> None:
    (block,) = fenced_blocks(f"\n\n```python\n{source}\n```\n")
    error = run_block(block, "page.md", names())
    assert error is not None
    assert seen in error


MODULE = '''"""Module.

    >>> one = 1
"""

import functools

@functools.cache
def cached(x):
    """Wrapped functions are found too.

    >>> 2 + 2
    4

    ```python
    assert True
    ```
    """

SIDE = 3
"""An attribute.

>>> one
1
"""

class Thing:
    """No example."""
'''


def test_every_docstring_of_a_module_is_found(tmp_path: Path) -> None:
    path = page(tmp_path, MODULE, name="module.py")
    blocks = blocks_of(path)
    assert [(block.line, block.kind) for block in blocks] == [
        (1, "session"),
        (10, "session"),
        (16, "script"),
        (21, "session"),
    ]
    assert all(block.alone for block in blocks)


def test_a_docstring_sees_the_names_of_no_other(tmp_path: Path) -> None:
    path = page(tmp_path, MODULE, name="module.py")
    (errors,) = outcome_of(path, folder=tmp_path)
    assert [error is None for error in errors].count(False) == 1
    (error,) = filter(None, errors)
    assert "NameError: name 'one' is not defined" in error
    assert "line 23" in error


def test_examples_run_in_a_folder_of_their_own(tmp_path: Path) -> None:
    path = page(
        tmp_path,
        "```python",
        "import os, sys",
        "assert sorted(os.listdir()) == ['flowers']",
        "assert os.environ['KERAS_HOME'] == os.path.join(os.getcwd(), '.keras')",
        "assert not any(os.path.exists(os.path.join(p, 'run_blocks.py')) for p in sys.path)",
        "open('made.txt', 'w').close()",
        "```",
    )
    assert outcome_of(path, folder=tmp_path) == [[None]]
    assert (tmp_path / "here" / "made.txt").exists()
    assert not (tmp_path / "workplace" / "made.txt").exists()


def test_blocks_after_the_death_of_the_process_have_failed(tmp_path: Path) -> None:
    ending = "```python\nimport os\nos._exit(3)\n```"
    path = page(tmp_path, "```python\nx = 1\n```", ending, "```python\nx = 2\n```")
    lost = "not finished: the process ended with code 3"
    assert outcome_of(path, folder=tmp_path) == [[None, lost, lost]]


def test_files_in_one_process_share_no_names(tmp_path: Path) -> None:
    pages = [
        page(tmp_path, "```python\nx = 1\n```", name="one.md"),
        page(tmp_path, "```python\nx + 1\n```", "```python\nx = 2\n```", name="two.md"),
    ]
    one, (failed, passed) = outcome_of(*pages, folder=tmp_path)
    assert one == [None]
    assert failed is not None
    assert "NameError: name 'x' is not defined" in failed
    assert passed is None


def test_modules_have_one_process_and_each_page_has_its_own() -> None:
    counts = {Path("a.md"): 1, Path("b.py"): 2, Path("c.md"): 3, Path("d.py"): 4}
    assert run_blocks.in_processes(counts) == [
        {Path("b.py"): 2, Path("d.py"): 4},
        {Path("a.md"): 1},
        {Path("c.md"): 3},
    ]
    assert run_blocks.in_processes({Path("a.md"): 1}) == [{Path("a.md"): 1}]


def test_a_page_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_blocks, "SECONDS", 2)
    path = page(tmp_path, "```python\nwhile True:\n    pass\n```")
    assert outcome_of(path, folder=tmp_path) == [["not finished: still running after 2 seconds"]]


def test_a_failure_is_reported_as_file_and_line_with_what_was_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = page(tmp_path, "```python\nprint('hello')\n1 / 0\n```")
    outcome = run_blocks.Outcome(["ZeroDivisionError"], "hello\n", 1.0)
    assert report(path, blocks_of(path), outcome) == 1
    printed = capsys.readouterr().out
    assert f"{path}:2: FAILED\n    ZeroDivisionError" in printed
    assert "printed last:\n    hello" in printed


def test_no_example_at_all_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_all([page(tmp_path, "```bash\nls\n```")]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_the_command_counts_what_passed_and_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        run_blocks,
        "WORKPLACE_MAKER",
        page(tmp_path, "import sys, pathlib", "pathlib.Path(sys.argv[1]).mkdir()", name="maker.py"),
    )
    good = page(tmp_path, "```python\nx = 1\n```", "```python\nassert x\n```", name="good.md")
    bad = page(tmp_path, "```python\nassert x\n```", name="bad.md")
    assert run_blocks.main([str(good)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 0 failed"
    assert run_blocks.main([str(good), str(bad)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 1 failed"


def test_a_workplace_that_cannot_be_made_stops_the_command_with_what_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = page(tmp_path, "raise SystemExit('no disk')", name="maker.py")
    monkeypatch.setattr(run_blocks, "WORKPLACE_MAKER", maker)
    with pytest.raises(SystemExit, match=r"no disk\n\nmaker.py failed; nothing was run"):
        run_all([page(tmp_path, "```python\nx = 1\n```")])


def test_all_pages_and_modules_are_looked_at_by_default() -> None:
    shown = {path.relative_to(run_blocks.ROOT).as_posix() for path in run_blocks.default_files()}
    assert {"README.md", "docs/architecture.md", "transferkit/select.py"} <= shown


def test_the_pictures_of_a_class_have_its_colour(tmp_path: Path) -> None:
    make_workplace.make_pictures(tmp_path)
    for name, colour in make_workplace.COLOURS.items():
        files = sorted((tmp_path / "flowers" / name).glob("*.jpg"))
        assert len(files) == make_workplace.PICTURES_PER_CLASS
        for file in files:
            with Image.open(file) as picture:
                pixels = np.asarray(picture, dtype=np.float64).reshape(-1, 3)
            assert (np.abs(pixels - colour).max(axis=1) < 30).mean() > 0.05
    assert (tmp_path / "unknown.jpg").is_file()


@pytest.mark.slow
def test_keras_finds_the_weights_offline_under_its_own_name(tmp_path: Path) -> None:
    weights = tmp_path / "models" / make_workplace.WEIGHTS
    program = (
        "import keras, make_workplace, pathlib\n"
        "import numpy as np\n"
        f"make_workplace.make_weights(pathlib.Path({str(weights)!r}))\n"
        "load = lambda: keras.applications.MobileNetV2(\n"
        "    weights='imagenet', include_top=False, input_shape=(224, 224, 3))\n"
        "one, two = load(), load()\n"
        "assert all(map(np.array_equal, one.get_weights(), two.get_weights()))\n"
        "pixels = np.random.default_rng(1).uniform(-1, 1, (2, 224, 224, 3)).astype('float32')\n"
        "scale = float(np.abs(one(pixels)).mean())\n"
        "assert 0.1 < scale < 3, scale\n"
    )
    environment = run_blocks.ENVIRONMENT | {
        "KERAS_HOME": str(tmp_path),
        "CUDA_VISIBLE_DEVICES": "-1",
        "PATH": "",
        "PYTHONPATH": str(run_blocks.ROOT / "docs"),
        "https_proxy": "http://127.0.0.1:9",  # nobody answers there
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

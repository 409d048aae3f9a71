"""Runs every example of README.md, docs/ and the docstrings, exactly as it is printed.

    python docs/run_blocks.py                       # everything
    python docs/run_blocks.py README.md             # one page
    python docs/run_blocks.py transferkit/select.py # the docstrings of one module

The blocks of one page share their names and run in order, each page in a process and a working
folder of its own. A docstring shares its names with nobody, but all modules have one process: to
start TensorFlow for each took longer than their examples. The folder holds what the examples speak
of (see ``make_workplace.py``).

Python is marked ``python`` or ``pycon`` in a fence; what must not run is marked as what it is
(``bash``, ``text``, ``{toctree}``, ...). A fence without a mark is a failure, so that no example
slips through.
"""

from __future__ import annotations

import argparse
import ast
import doctest
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
WORKPLACE_MAKER = ROOT / "docs" / "make_workplace.py"
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "MPLBACKEND": "agg",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
DOCTEST_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PROMPT = re.compile(r"^\s*>>> ", re.MULTILINE)
RUN = frozenset({"py", "pycon", "python", "python3"})
NOT_RUN = frozenset(
    {"bash", "console", "diff", "ini", "json", "mermaid", "powershell", "sh", "shell"}
    | {"text", "toml", "yaml"}
    | {"{toctree}"}  # read by Sphinx
)
AT_ONCE = 2
"""Processes that run at a time: most of a small example's time is Python, on one core."""
SECONDS = 1800
"""A process that takes longer has hung."""

Kind = Literal["script", "session", "unmarked"]


@dataclass(frozen=True)
class Block:
    """One example.

    Attributes:
        line: The line of the file that `source` begins on, from 1.
        kind: ``"script"``, ``"session"`` (lines with ``>>>``) or ``"unmarked"``, which fails.
        source: The text, as printed.
        alone: Whether it shares its names with nobody (docstrings) or with its page.
    """

    line: int
    kind: Kind
    source: str
    alone: bool = False


# ---------------------------------------------------------------------------------- finding


def blocks_of(path: Path) -> list[Block]:
    """The examples of a Markdown page or of a Python module, in the order they stand there."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return sorted(_docstring_blocks(text), key=lambda block: block.line)
    return list(fenced_blocks(text))


def fenced_blocks(text: str, first_line: int = 1) -> Iterator[Block]:
    """The examples between fences (three or more backticks or tildes) of a Markdown text."""
    opening: re.Match[str] | None = None
    body: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), first_line):
        if opening is None:
            opening = re.match(r"\s*(?P<fence>`{3,}|~{3,})\s*(?P<mark>[\w+{}-]*)[^`]*$", line)
            body, start = [], number + 1
        elif re.fullmatch(rf"\s*{opening['fence'][0]}{{{len(opening['fence'])},}}\s*", line):
            yield from _fenced(opening["mark"], body, start)
            opening = None
        else:
            body.append(line)
    if opening is not None:
        yield Block(start, "unmarked", "this fence is never closed")


def _fenced(mark: str, body: list[str], start: int) -> Iterator[Block]:
    source = textwrap.dedent("\n".join(body)) + "\n"
    mark = mark.lower()
    if mark in RUN:
        yield Block(start, "session" if PROMPT.search(source) else "script", source)
    elif mark not in NOT_RUN:
        yield Block(
            start, "unmarked", f"this fence is marked {mark!r}: write python, pycon or text"
        )


def _docstring_blocks(text: str) -> Iterator[Block]:
    for line, docstring in _docstrings(ast.parse(text)):
        if PROMPT.search(docstring):
            yield Block(line, "session", docstring, alone=True)
        for block in fenced_blocks(docstring, line):
            if block.kind != "session":  # those ran with the docstring
                yield Block(block.line, block.kind, block.source, alone=True)


def _docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string that stands alone as a statement: docstrings, and those below an attribute."""
    for node in ast.walk(tree):
        body = getattr(node, "body", ())
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(docstring), lineno=line)):
                    yield line, docstring


# ---------------------------------------------------------------------------------- running


def run_block(block: Block, path: str, names: dict[str, Any]) -> str | None:
    """Run one example.

    Args:
        block: The example.
        path: Its file, for tracebacks.
        names: The namespace it runs in; what it defines stays there.

    Returns:
        What went wrong, or None.
    """
    if block.kind == "unmarked":
        return block.source
    if block.kind == "session":
        return _run_session(block, path, names)
    try:
        code = compile("\n" * (block.line - 1) + block.source, path, "exec")
        exec(code, names)
    except (Exception, SystemExit):
        return traceback.format_exc()
    return None


def _run_session(block: Block, path: str, names: dict[str, Any]) -> str | None:
    test = doctest.DocTest([], names, path, path, block.line - 1, None)
    test.globs = names  # a DocTest takes a copy, and what a session defines would be lost
    try:
        test.examples = doctest.DocTestParser().get_examples(block.source, path)
    except ValueError as error:
        return str(error)
    if any(example.options.get(doctest.SKIP) for example in test.examples):
        return "an example is skipped: let it run, or mark it text"
    report = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=DOCTEST_OPTIONS)
    failed = runner.run(test, out=report.write, clear_globs=False).failed
    return report.getvalue() if failed else None


def run_files(paths: Sequence[Path], results: Path) -> None:
    """Run the examples of files in this process and folder; a line of `results` for each."""
    with results.open("w", encoding="utf-8") as out:
        for path in paths:
            page = _namespace()
            for block in blocks_of(path):
                began = time.perf_counter()
                error = run_block(block, str(path), _namespace() if block.alone else page)
                out.write(json.dumps([error, time.perf_counter() - began]) + "\n")
                out.flush()


def _namespace() -> dict[str, Any]:
    return {"__name__": "__main__"}


@dataclass(frozen=True)
class Outcome:
    """What became of one file's examples.

    Attributes:
        errors: For each what went wrong, or None.
        printed: What their process printed.
        seconds: How long they ran.
    """

    errors: list[str | None]
    printed: str
    seconds: float


def run_apart(files: Mapping[Path, int], workplace: Path, folder: Path) -> list[Outcome]:
    """Run the examples of some files in a process and a working folder of their own.

    Args:
        files: The files, and how many examples each has.
        workplace: The folder that make_workplace.py filled; it is copied.
        folder: The working folder to make.

    Returns:
        The outcome of each. An example that the process did not live to report has failed.
    """
    shutil.copytree(workplace, folder)
    results = folder.with_suffix(".results")
    command = [sys.executable, __file__, "--in-this-process", str(results), *map(str, files)]
    environment = {**os.environ, **ENVIRONMENT, "KERAS_HOME": str(folder / ".keras")}
    environment["TRANSFERKIT_CACHE"] = str(folder / ".transferkit")
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        printed, ending = done.stdout, f"the process ended with code {done.returncode}"
    except subprocess.TimeoutExpired as error:
        printed, ending = str(error.stdout or ""), f"still running after {SECONDS} seconds"
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    told = itertools.chain(map(json.loads, lines), itertools.repeat([f"not finished: {ending}", 0]))
    outcomes = []
    for count in files.values():
        ran = list(itertools.islice(told, count))
        outcomes.append(Outcome([error for error, _ in ran], printed, sum(s for _, s in ran)))
    return outcomes


# ---------------------------------------------------------------------------------- the command


def default_files() -> list[Path]:
    """README.md, the pages of docs/ and the modules of the package."""
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", *pages, *sorted((ROOT / "transferkit").rglob("*.py"))]


def in_processes(counts: Mapping[Path, int]) -> list[dict[Path, int]]:
    """Which files share a process: all modules do, and no pages; the longest comes first."""
    modules = {path: count for path, count in counts.items() if path.suffix == ".py"}
    pages = [{path: count} for path, count in counts.items() if path not in modules]
    return [modules, *pages] if modules else pages


def run_all(files: Sequence[Path]) -> int:
    """Run the examples of all files, print each file's result, and return the exit code."""
    found = {path: blocks for path in files if (blocks := blocks_of(path))}
    if not found:
        print("no example found: there is nothing to run")
        print("0 passed, 1 failed")
        return 1
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="examples-") as temporary:
        workplace = Path(temporary, "workplace")
        make_workplace(workplace)
        groups = in_processes({path: len(blocks) for path, blocks in found.items()})
        folders = (Path(temporary, str(number)) for number in range(len(groups)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = pool.map(run_apart, groups, itertools.repeat(workplace), folders)
            for path, outcome in zip(
                itertools.chain(*groups), itertools.chain.from_iterable(outcomes), strict=True
            ):
                bad = report(path, found[path], outcome)
                passed, failed = passed + len(found[path]) - bad, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def make_workplace(folder: Path) -> None:
    """Let another process make the folder, for this one to stay free of TensorFlow."""
    done = subprocess.run(
        [sys.executable, str(WORKPLACE_MAKER), str(folder)],
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{WORKPLACE_MAKER.name} failed; nothing was run")


def report(path: Path, blocks: Sequence[Block], outcome: Outcome) -> int:
    """Print what became of one file's examples; returns how many failed."""
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    bad = [(b, e) for b, e in zip(blocks, outcome.errors, strict=True) if e is not None]
    print(f"{shown}: {len(blocks) - len(bad)} of {len(blocks)} ran ({outcome.seconds:.0f} s)")
    for block, error in bad:
        print(f"\n{shown}:{block.line}: FAILED\n{textwrap.indent(error.rstrip(), '    ')}\n")
    if bad and outcome.printed.strip():
        tail = "\n".join(outcome.printed.splitlines()[-30:])
        print(f"{shown} printed last:\n{textwrap.indent(tail, '    ')}\n")
    sys.stdout.flush()
    return len(bad)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="pages or modules; all by default")
    parser.add_argument("--in-this-process", type=Path, metavar="RESULTS", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.in_this_process:
        sys.path[0] = ""  # a user's script has its own folder there, and not this one
        run_files(options.files, options.in_this_process)
        return 0
    return run_all([path.resolve() for path in options.files] or default_files())


if __name__ == "__main__":
    raise SystemExit(main())

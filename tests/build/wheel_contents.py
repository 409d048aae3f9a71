"""Says what is wrong with a wheel: ``python tests/build/wheel_contents.py WHEEL``."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def source_files(root: Path) -> set[str]:
    """What the package consists of, as paths from `root`."""
    files = (path for path in (root / "transferkit").rglob("*") if path.is_file())
    return {p.relative_to(root).as_posix() for p in files if p.suffix != ".pyc"}


def complaints(names: Iterable[str], sources: Iterable[str]) -> list[str]:
    """What is missing from a wheel, and what does not belong there.

    Args:
        names: The names of the files in the wheel.
        sources: The names that the package has.
    """
    inside, wanted = set(names), {*sources, "transferkit/py.typed"}
    about = {name for name in inside if name.partition("/")[0].endswith(".dist-info")}
    missing = [f"missing: {name}" for name in sorted(wanted - inside)]
    if not any(name.endswith("/licenses/LICENSE") for name in about):
        missing.append("missing: the licence")
    return missing + [f"does not belong there: {name}" for name in sorted(inside - wanted - about)]


def main(wheel: Path) -> int:
    """Print the complaints about a wheel; returns the exit code."""
    names = zipfile.ZipFile(wheel).namelist()
    found = complaints(names, source_files(ROOT))
    for complaint in found:
        print(f"{wheel.name}: {complaint}")
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1024:.0f} KiB")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))

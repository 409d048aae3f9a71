"""Groups: pictures of one subject, which no division may tear apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from transferkit._text import counted
from transferkit.data.composed import composed
from transferkit.errors import DataError, SpecError, explain

__all__ = ["PathGroups", "checked_pattern", "group_names", "path_groups", "relative_key"]

PathGroups: TypeAlias = str | re.Pattern[str] | Callable[[Path], Any]
"""A regular expression with one group, or a function from a path to a name."""


def relative_key(file: Path, root: Path) -> str:
    """A file's path in its folder, the same on every machine: what divisions rank it by."""
    if not file.is_relative_to(root):
        file, root = file.absolute(), root.absolute()  # links stay as they are: they are names, too
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()


def group_names(verb: str, groups: Any, count: int) -> np.ndarray[Any, Any] | None:
    """The name of each picture's group, as text.

    Raises:
        DataError: If there is not one for each picture.
    """
    if groups is None:
        return None
    array = np.asarray(groups)
    found = array.ravel().tolist()
    if array.ndim != 1 or len(found) != count:
        raise DataError(
            explain(
                verb,
                "groups and pictures differ in number",
                expected=f"one group for each of the pictures, {count} in all",
                received={"shape": array.shape},
            )
        )
    nameless = [i for i, group in enumerate(found) if group is None or group != group]
    if nameless:
        raise DataError(
            explain(
                verb,
                f"{counted(len(nameless), 'picture')} of no group",
                expected="a name or number for each picture",
                received={"pictures": nameless[:10]},
                mend="Give each of them a group of its own, or leave them out.",
            )
        )
    return np.asarray([composed(group) for group in found])


def checked_pattern(verb: str, groups: Any) -> Callable[[Path], Any] | re.Pattern[str] | None:
    """What gives a file's group.

    Raises:
        SpecError: If it is neither a function nor a regular expression with one group.
    """
    if groups is None or (callable(groups) and not isinstance(groups, str)):
        found: Callable[[Path], Any] | None = groups
        return found
    try:
        pattern = re.compile(groups)
    except (re.error, TypeError) as error:
        raise _no_pattern(verb, groups, f"groups is no regular expression ({error})") from error
    if pattern.groups != 1:
        raise _no_pattern(verb, groups, f"the expression has {pattern.groups} groups in brackets")
    return pattern


def _no_pattern(verb: str, groups: Any, happened: str) -> SpecError:
    return SpecError(
        explain(
            verb,
            happened,
            expected="a function from a path to a name, or an expression with one (...)",
            received={"groups": groups},
            mend=f"{verb}(..., groups=r'patient(\\d+)_')",
        )
    )


def path_groups(
    verb: str, groups: PathGroups | None, files: Sequence[Path], root: Path
) -> np.ndarray[Any, Any] | None:
    """The group of each file.

    Args:
        verb: The function that the user called, for the errors.
        groups: A function that is given each path, or an expression that is searched for in each
            path below `root`, with forward slashes.
        files: The files.
        root: The folder.

    Raises:
        DataError: Naming the files that are of no group.
    """
    rule = checked_pattern(verb, groups)
    if rule is None:
        return None
    if isinstance(rule, re.Pattern):
        matches = [rule.search(relative_key(file, root)) for file in files]
        found = [match and match[1] for match in matches]
    else:
        found = [rule(file) for file in files]
        found = [str(group) if isinstance(group, tuple) else group for group in found]
    strays = [str(file) for file, group in zip(files, found, strict=True) if group is None]
    if strays:
        raise DataError(
            explain(
                verb,
                f"{counted(len(strays), 'file')} of no group, as {strays[0]}",
                expected="a group for every file",
                received={"groups": getattr(rule, "pattern", rule), "files": strays[:5]},
                mend="Let the expression match them too, or give a function.",
            )
        )
    return group_names(verb, found, len(files))

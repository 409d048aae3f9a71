from __future__ import annotations

import re
from pathlib import Path

import pytest

from transferkit import testing


def test_every_name_is_found_and_known_to_editors() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    assert dir(testing) == testing.__all__
    source = Path(testing.__file__).read_text(encoding="utf-8")
    for name in testing.__all__:
        assert callable(getattr(testing, name))
        assert f"import {name} as {name}\n" in source
    with pytest.raises(AttributeError, match="has no attribute 'check_nothing'"):
        testing.check_nothing  # noqa: B018 - it is the look-up that raises


def test_only_the_strategies_need_hypothesis() -> None:
    folder = Path(testing.__file__).parent
    needing = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r"^(from|import) hypothesis", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert needing == {"strategies.py"}

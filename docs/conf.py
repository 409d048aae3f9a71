"""How Sphinx makes the HTML of these pages: ``nox -s docs``, which writes docs/_build/html.

    python -m sphinx -W --keep-going -n docs docs/_build/html

The pages are Markdown that reads as well without Sphinx. The pages of the API reference are written
by ``make_reference.py`` when a build begins.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import make_reference  # noqa: E402  # it lies beside this file
from sphinx.ext.napoleon.docstring import GoogleDocstring  # noqa: E402
from sphinx.util.nodes import make_refnode  # noqa: E402

import transferkit  # noqa: E402

project = "transferkit"
author = "The transferkit authors"
project_copyright = author
version = release = transferkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "notebooks"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"transferkit {version}"
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # the attributes of a dataclass stand in its own docstring
python_display_short_literal_types = True
add_module_names = False
default_role = "py:obj"

# What type hints name and no page of ours describes: other packages, and names used inside ours.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!transferkit\.)\w+\..*"),
    (r"py:.*", r"'.*'"),  # one of the words of a Literal
    (r"py:class", r"transferkit\.\w+\.\w+(\.\w+)+"),  # a class in a file of a room
    (r"py:class", r"transferkit\._\w+\.\w+"),
    (r"py:class", r"transferkit\.plan\.Optimizer|Figure"),
]


def resolve(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Follow a name as users type it (``tk.Phase``); what is no name of ours is plain code."""
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    target = node["reftarget"].removesuffix("()").removeprefix("tk.").removeprefix("transferkit.")
    for name in (f"transferkit.{target}", *_elsewhere(target)):
        if name in domain.objects:
            found = domain.objects[name]
            page = node.get("refdoc", "index")
            return make_refnode(app.builder, page, found.docname, found.node_id, contnode)
    is_prose = node["reftype"] == "obj" and not node["reftarget"].startswith("tk.")
    return contnode if is_prose else None


def _elsewhere(target: str) -> tuple[str, ...]:
    """Where a bare name may be described: the protocols and values of `transferkit.spec`."""
    last = target.rsplit(".", 1)[-1]
    rooms = ("spec", "select", "freeze", "schedules", "history", "errors")
    return tuple(f"transferkit.{room}.{last}" for room in rooms)


def as_prose(docstring: Any) -> list[str]:
    """Read a property's docstring as a method's; Napoleon takes words before a colon for a type."""
    docstring._what = "method"
    docstring._parse()
    return []


def setup(app: Any) -> None:
    """Called by Sphinx."""
    napoleon: Any = GoogleDocstring
    napoleon._parse_attribute_docstring = as_prose
    app.connect("builder-inited", lambda app: make_reference.make_reference(HERE / "api"))
    app.connect("missing-reference", resolve)

"""The documentation site (`make docs`), from the Markdown of the whole repository.

The source folder is the repository's root, so that a link means on the site what it means in the repository.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Graftwork"
copyright = "the Graftwork authors, Apache-2.0"
html_title = "Graftwork"
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "plugins/pocket/**/README.md", "examples/*/README.md"]
exclude_patterns = [".*", "build", "dist", "runs", "docs/changes"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "architecture",
    "changelog",
    "component_types",
    "docstrings",
    "file_formats",
    "python_types",
    "repository_files",
]

# GitHub's anchors: `pipeline.md#locks`.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
myst_fence_as_directive = ["mermaid"]

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
smartquotes_action = "D"  # dashes alone: a prime in a formula is no apostrophe
add_module_names = False
toc_object_entries_show_parents = "hide"

# The build is nitpicky. Names of other packages are not looked up: that needs a network.
_PYTHON = "abc|collections|contextlib|pathlib|types|typing"
_PACKAGES = "hypothesis|numpy|PIL|pluggy|pydantic|pydantic_core|scipy|torch|torch_geometric"
_TYPE_VARIABLES = r"graftwork\..*\.[A-Z]"
nitpick_ignore_regex = [
    ("py:.*", rf"({_PYTHON}|{_PACKAGES})\..*"),
    ("py:class", "Tensor"),
    ("py:class", _TYPE_VARIABLES),
]

html_theme = "furo"
html_extra_path = ["_site"]

"""How Sphinx builds the documentation: `make docs`. It needs neither torch nor the network."""

from importlib.metadata import version as version_of

project = "kernelsnap"
author = "the kernelsnap authors"
release = version = version_of("kernelsnap")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
html_theme = "furo"
html_title = f"kernelsnap {release}"

# A link to a heading is the anchor that GitHub gives it, so that pages read the same here and there.
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

# The pages about the API come from docstrings. What is imported only to compile is not there when pages are built.
autodoc_mock_imports = ["torch", "triton"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False
autodoc_default_options = {"members": True, "undoc-members": False}
# Docstrings write code in single backticks, as Markdown does.
default_role = "code"

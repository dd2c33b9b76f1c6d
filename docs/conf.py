"""How Sphinx builds the manual: Markdown in, HTML out. `make docs`."""

from orchestra_nb.version import __version__

project = "Orchestra NB"
author = "Orchestra NB contributors"
copyright = "2026, Orchestra NB contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["image.not_readable"]
nitpicky = True
highlight_language = "none"  # blocks without a language are shell sessions and plain text

html_theme = "pydata_sphinx_theme"
html_title = "Orchestra NB"
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False, "show_toc_level": 2}

"""The one version, of the Python package and of the npm package."""

__version__ = "0.1.0"

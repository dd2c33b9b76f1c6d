"""A module with the class of a cluster that cannot be imported."""

raise RuntimeError("no cell is set")

"""Sizes as people read them."""

from __future__ import annotations


def format_bytes(size: int) -> str:
    """Return a size for people, in decimal units.

    Examples
    --------
    >>> format_bytes(0), format_bytes(1_500), format_bytes(2_345_678_901)
    ('0 B', '1.5 kB', '2.3 GB')
    """
    if size < 1_000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1_000
        if value < 999.95 or unit == "TB":
            break
    return f"{value:.1f} {unit}"

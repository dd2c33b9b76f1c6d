"""Numbers with their nouns, as people read them."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    Parameters
    ----------
    plural
        Empty for the noun with an ``s``.

    Examples
    --------
    >>> counted(1, "run"), counted(0, "run"), counted(1200, "entry", "entries")
    ('1 run', '0 runs', '1,200 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"

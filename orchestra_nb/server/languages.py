"""The languages of our words, and which of them a reader gets: that of the configuration, or the browser's first one.

Each is a folder of ``orchestra_nb/locale`` with what ``make catalogue`` wrote; English stands in the source itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.reading_language import ENGLISH

#: The domain of our words, as JupyterLab calls it.
DOMAIN: Final = "orchestra_nb"

_LOCALE: Final = Path(__file__).parent.parent / "locale"


@cache
def catalogues() -> Mapping[str, Path]:
    """Return the languages but English, as BCP 47 tags, with the file of each."""
    found = sorted(_LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.json"))
    return {path.parent.parent.name.replace("_", "-"): path for path in found}


@cache
def words_in(language: str) -> Mapping[str, Any]:
    """Return the forms of each message of a language, as ``make catalogue`` wrote them; empty for English."""
    path = catalogues().get(language)
    words: dict[str, Any] = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
    return words


def known_language(language: str) -> str:
    """Return the language of a setting as a tag; empty stays empty.

    Raises
    ------
    InvalidSetting
        There are no words in this language.
    """
    tag = _tag_for(language)
    if language and tag is None:
        raise InvalidSetting(
            f"language is {language!r}, in which there are no words. Languages: {', '.join((ENGLISH, *catalogues()))}."
        )
    return tag or ""


def wanted_language(accept_language: str) -> str:
    """Return the first language of an ``Accept-Language`` (RFC 9110, 12.5.4) that there are words in; else English."""
    ranges = [_range_of(part) for part in accept_language.split(",")]
    wanted = sorted((one for one in ranges if one[1] > 0), key=lambda one: -one[1])
    return next((tag for name, _ in wanted if (tag := _tag_for(name)) is not None), ENGLISH)


def reader_language(headers: Mapping[str, str]) -> str | None:
    """Return the language of who reads an answer, by the headers of a request; None where these do not say it.

    ``*`` alone says nothing: some programs send it with everything.
    """
    accepted = headers.get("Accept-Language", "")
    names = {_range_of(part)[0].strip() for part in accepted.split(",")}
    return None if names <= {"", "*"} else wanted_language(accepted)


def _tag_for(language: str) -> str | None:
    """Return the tag for a language: that of its region, or of another region before none."""
    name = language.strip().replace("_", "-").lower()
    main = name.partition("-")[0]
    if main == ENGLISH:
        return ENGLISH
    tags = {tag.lower(): tag for tag in catalogues()}
    near = (tag for lower, tag in tags.items() if main and lower.partition("-")[0] == main)
    return tags.get(name) or next(near, None)


def _range_of(part: str) -> tuple[str, float]:
    name, _, parameters = part.partition(";")
    weight = parameters.strip().removeprefix("q=") if parameters.strip() else "1"
    try:
        return name.strip(), float(weight)
    except ValueError:
        return name.strip(), 0.0

"""What readers are told, in their language: sentences of ours, in which ``%1`` stands for a value.

What is told is stored, and raised, as English text. Who says in which language they read (``Accept-Language``, as
browsers do and commands do not) gets it translated on its way out, sentence by sentence, and with the remedy that a
page has in place of a command. What is not among these stays as it is. ``make catalogue`` has them in the catalogues.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from orchestra_nb.reading_language import ENGLISH
from orchestra_nb.server.languages import words_in
from orchestra_nb.server.told_sentences import SAID_EVERYWHERE, SAID_OF_AUTOMATIONS, SAID_ON_PAGES, SAID_WITHIN

#: What forms are told is wrong; a test has each of them said.
SENTENCES: Final = (
    # of any form
    "%1 is no name of %2: it may not have control characters or any of %3.",
    "This is not as it was when it was answered with the ETag %1. Read it again: it has the ETag %2 now.",
    # of pools
    "There is a pool %1 already. `orchestra pools update %2` changes it.",
    "%1 is no name of a pool: it may not begin with -, nor have commas, nor blanks around it.",
    "%1 is none of %2.",
    "a pool of the kind %1 has none, but one of the kind %2.",
    "1 to %1 runs go on at a time, not %2. To start nothing, pause the pool.",
    "cluster: it is missing. Name a class, such as dask.distributed.LocalCluster or dask_jobqueue.SLURMCluster, or the "
    "address of a scheduler, tcp://HOST:8786.",
    "cluster: %1 is no dotted path of a class, and no address.",
    "cluster: %1 has no class %2.",
    "%1 takes no %2. Did you mean %3?",
    "the cluster at %1 is made, and scaled, by others. Leave it out.",
    "%1 to %2 is no number of workers to scale between.",
    "%1 names none. Write NAME:TAG or REGISTRY/NAME:TAG, in lower case.",
    "%1 is no size. Write 512m or 2g.",
    "a number above 0, not %1.",
    "%1 or more, not %2.",
    "%1 is none. Write SOURCE:/TARGET or SOURCE:/TARGET:ro.",
    "%1 is no name of a variable.",
    "%1 is no name of a label.",
    "a path in the container begins with /, not %1.",
    "a path begins with /, not %1.",
    "%1 is no name in Kubernetes: at most %2 of a-z, 0-9 and -.",
    "%1 is no quantity. Write 500m, 2, 512Mi or 4Gi.",
    "there is no job variable %1. They are %2.",
    "The pool %1 is that of %2. Have them name another, or force it (`--force`, over HTTP `force=true`): then their "
    "runs wait until there is a pool of this name again.",
    # of webhooks
    "There is a webhook %1 already. Delete it first, change it, or choose another name.",
    "There is a webhook %1 already. Choose another name.",
    "The webhook %1 has to name either a deployment or an event.",
    "The webhook %1 runs a deployment: only an event is about a resource.",
    "%1 is no name of an event. Name it, by custom with dots: 'orders.imported'.",
    "The condition cannot be used: %1",
    "The template of %1 cannot be used: %2",
    "Slack draws the secret itself: it is the Signing Secret of your app, under Basic Information.",
    # of schedules
    "The cron expression %1 never falls due: there is no such day.",
    "There is no time zone %1. Did you mean %2?",
    "%1 cannot be the start: it is no time. Write 2026-03-29, 2026-03-29T09:00 or 2026-03-29T09:00+02:00.",
    "%1 cannot be the end: it is no time. Write 2026-03-29, 2026-03-29T09:00 or 2026-03-29T09:00+02:00.",
    "An interval is 1 or more whole seconds, not %1. Write 30s, 15m or 1d.",
    "Nothing is due after %1: the schedule has ended.",
    "The schedule never falls due: nothing is left between its start, its end and its days off.",
)
#: All that is translated, for the catalogues.
ALL_SENTENCES: Final = tuple(
    dict.fromkeys(
        SAID_ON_PAGES.get(sentence, sentence)
        for sentence in (*SENTENCES, *SAID_ON_PAGES, *SAID_EVERYWHERE, *SAID_OF_AUTOMATIONS, *SAID_WITHIN)
    )
)
#: Members of answers that tell something in sentences, and those that tell of automations.
_TOLD: Final = ("message", "reason", "problem", "refusal", "detail", "outcome", "note", "warnings", "notes", "about")
_OF_AUTOMATIONS: Final = frozenset(("about", "outcome"))
_TEXT: Final = r'"(?:[^"\\]|\\.)*"'
#: Such a member, in JSON without blanks: within a text its quotes would have backslashes.
_MEMBER: Final = re.compile(rf'"({"|".join(_TOLD)})":({_TEXT}|\[{_TEXT}(?:,{_TEXT})*\])'.encode())
_PLACE: Final = re.compile(r"%(\d+)")
#: Where a sentence may end within a line, or the part of one that is a sentence itself.
_END: Final = re.compile(r"(?<=[.?!]) (?=\S)|(?<=:) (?=\S)|(?<=;) (?=\S)|(?<=\S) (?=\()")
#: Whoever sends what is wrong chooses most of the text: of so many parts, and longer ones, nothing is looked for.
_MOST_ENDS: Final = 24
_LONGEST: Final = 4_000
#: A sentence within one within one… so many times.
_DEEPEST: Final = 3
#: Sentences are looked for by so many letters.
_BEGINNING: Final = 5


@dataclass(frozen=True, slots=True)
class _Reading:
    """How something is read.

    Parameters
    ----------
    is_of_automations
        Whether it tells what made an automation fire, or what it did.
    depth
        Within how many other sentences it stands.
    """

    language: str
    is_of_automations: bool = False
    depth: int = 0


def in_language(text: str, language: str | None, *, is_of_automations: bool = False) -> str:
    """Return what is told in a language, sentence by sentence, each with its values; what is none of ours as it is.

    Parameters
    ----------
    language
        None for whoever has not said what they read: what they are told stays as it is, with commands as remedies.
    is_of_automations
        Whether it tells what made an automation fire, or what it did.
    """
    if language is None:
        return text
    reading = _Reading(language, is_of_automations)
    if len(text) <= _LONGEST:
        return _told(text, reading)
    whole = _as_one(text, _Reading(language, is_of_automations, _DEEPEST))
    return text if whole is None else whole


def answer_in_language(body: bytes, language: str | None) -> bytes:
    """Return an answer, as JSON without blanks, with what it tells in a language."""
    if language is None:
        return body

    def told(found: re.Match[bytes]) -> bytes:
        name, value = found[1].decode(), json.loads(found[2])
        is_list = isinstance(value, list)
        texts = value if is_list else [value]
        new = [in_language(text, language, is_of_automations=name in _OF_AUTOMATIONS) for text in texts]
        if new == texts:
            return found[0]
        return f'"{name}":'.encode() + json.dumps(new if is_list else new[0], separators=(",", ":")).encode()

    return _MEMBER.sub(told, body)


@lru_cache(maxsize=4096)
def _told(text: str, reading: _Reading) -> str:
    return "\n".join(_line(line, reading) for line in text.split("\n"))


def _line(line: str, reading: _Reading) -> str:
    """Return a line in a language: as one sentence, else as several, with what is before, between and after them."""
    whole = _as_one(line, reading, has_inner=False)
    if whole is not None:
        return whole
    ends = [found.start() for found in _END.finditer(line)][:_MOST_ENDS]
    parts, begin = [], 0
    while begin < len(line):
        end, part = _first_part(line, begin, [end for end in (*ends, len(line)) if end > begin], reading)
        parts.append(part)
        begin = end + 1
    several = " ".join(parts)
    if several != line:
        return several
    whole = _as_one(line, reading)
    return line if whole is None else whole


def _first_part(line: str, begin: int, ends: Sequence[int], reading: _Reading) -> tuple[int, str]:
    """Return where the first sentence ends, and what is said of it: the longest that has no others within, if any."""
    for has_inner, places in ((False, ends[::-1]), (True, ends)):
        for end in places:
            piece = line[begin:end]
            translated = _as_one(piece, reading, has_inner=has_inner)
            if translated is None and piece.startswith("(") and piece.endswith(")"):
                within = _as_one(piece[1:-1], reading)
                translated = None if within is None else f"({within})"
            if translated is not None:
                return end, translated
    return ends[0], line[begin : ends[0]]


def _as_one(text: str, reading: _Reading, *, has_inner: bool = True) -> str | None:
    """Return a text that is one sentence in a language; None where it is none of ours.

    Parameters
    ----------
    has_inner
        Whether a value may have several sentences in it, or others than ours.
    """
    for sentence in _sentences_for(text, reading.is_of_automations):
        values = values_in(sentence, text)
        if values is not None and (has_inner or all(map(_is_plain, values))):
            return _filled(sentence, values, reading)
    return None


def _is_plain(value: str) -> bool:
    """Tell whether a value is no sentence, or one of ours alone."""
    if _END.search(value) is None:
        return True
    return any(values_in(sentence, value) is not None for sentence in _sentences_for(value, False))


def _filled(sentence: str, values: Sequence[str], reading: _Reading) -> str:
    said = SAID_ON_PAGES.get(sentence, sentence)
    if reading.language != ENGLISH:
        said = str(words_in(reading.language).get(said, [said])[0])
    told = [_value(value, reading) for value in values]
    return _PLACE.sub(lambda place: told[int(place[1]) - 1], said)


def _value(value: str, reading: _Reading) -> str:
    """Return a value; what is a sentence of ours itself, or several, in a language."""
    if " " not in value or reading.depth == _DEEPEST:
        return value
    within = _Reading(reading.language, reading.is_of_automations, reading.depth + 1)
    for sentence in SAID_WITHIN:
        if (values := values_in(sentence, value)) is not None:
            return _filled(sentence, values, within)
    return _told(value, within)


def values_in(sentence: str, text: str) -> list[str] | None:
    """Return what stands in the places of a sentence, in their order; None where a text is not this sentence.

    A value has at least one character, all on one line, and ends where the words after it first come. O(text): whoever
    sends what is wrong chooses most of the text, and a regular expression would try all the ways to divide it.
    """
    if "\n" in text:
        return None
    first, *others = _words_of(sentence)
    if not others:
        return [] if text == first else None
    *between, last = others
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last):
        return None
    values, begin = [], len(first)
    for words in between:
        if (found := text.find(words, begin + 1, end)) < 0:
            return None
        values.append(text[begin:found])
        begin = found + len(words)
    return [*values, text[begin:end]] if begin < end else None


@cache
def _words_of(sentence: str) -> tuple[str, ...]:
    """Return what stands before, between and after the places of a sentence."""
    return tuple(_PLACE.sub("\n", sentence).split("\n"))


def _sentences_for(text: str, is_of_automations: bool) -> Iterator[str]:
    """Yield those that a text may be, by how it begins: those with most words first."""
    begun, others = _by_beginning()
    yield from begun.get(text[:_BEGINNING], ())
    yield from others
    if is_of_automations:
        yield from _most_words_first(SAID_OF_AUTOMATIONS)


@cache
def _by_beginning() -> tuple[dict[str, Sequence[str]], Sequence[str]]:
    begun: dict[str, list[str]] = {}
    others = []
    for sentence in _most_words_first((*SENTENCES, *SAID_ON_PAGES, *SAID_EVERYWHERE)):
        if len(first := _words_of(sentence)[0]) >= _BEGINNING:
            begun.setdefault(first[:_BEGINNING], []).append(sentence)
        else:
            others.append(sentence)
    return {key: tuple(found) for key, found in begun.items()}, tuple(others)


def _most_words_first(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(sentences), key=lambda one: len(_PLACE.sub("", one)), reverse=True))

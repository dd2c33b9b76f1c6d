"""What readers are told, in their language: sentences of ours, in which ``%1`` stands for a value.

What is told is stored, and raised, as English text. Who reads in a language with a catalogue gets it translated on its
way out, sentence by sentence; an error has the remedy of a page in place of a command for whoever says in which
language they read (``Accept-Language``, as browsers do and commands do not). What is not among these stays as it is.
``make catalogue`` has them in the catalogues.

A text is of somebody else for the most part, perhaps of somebody who means harm: it is looked through once for words
of our sentences, only those whose words are there are tried, and so many times in all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, lru_cache
from typing import Final

from orchestra_nb.reading_language import ENGLISH
from orchestra_nb.server.languages import words_in
from orchestra_nb.server.told_sentences import (
    HOLDING,
    SAID_EVERYWHERE,
    SAID_OF_AUTOMATIONS,
    SAID_ON_PAGES,
    SAID_WITHIN,
)

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


class Kind(Enum):
    """What a text tells.

    ``MESSAGE``: what became of a run or a task. It may have the words of users' errors in it, so it has to begin with a
    sentence of ours, and what follows it is one, or stays. ``REFUSAL``: what is wrong, or to be known. ``AUTOMATION``:
    what made an automation fire, or what it did.
    """

    MESSAGE = auto()
    REFUSAL = auto()
    AUTOMATION = auto()


_PLACE: Final = re.compile(r"%(\d+)")
#: Where a sentence may end within a line, or the part of one that is a sentence itself.
_END: Final = re.compile(r"(?<=[.?!:;]) (?=\S)|(?<=\S) (?=\()")
#: The same in what may have users' words: what follows a colon there may be theirs.
_END_IN_MESSAGE: Final = re.compile(r"(?<=[.?!]) (?=\S)|(?<=\S) (?=\()")
#: Of so many parts, and of longer texts, nothing is looked for.
_MOST_ENDS: Final = 24
_LONGEST: Final = 4_000
#: So many times it is tried whether a part of a text is a sentence, over all its lines.
_MOST_TRIES: Final = 3_000
#: A sentence within one within one… so many times.
_DEEPEST: Final = 3
#: Sentences are looked for by so many letters of the longest piece between their values.
_LONGEST_ANCHOR: Final = 24


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence, taken apart.

    Parameters
    ----------
    words
        What stands before, between and after the places of values.
    said
        What is said in its stead, in English.
    holding
        The places of which the value may be a sentence of ours itself; any other value is somebody else's.
    """

    words: tuple[str, ...]
    said: str
    holding: tuple[int, ...] = ()

    @property
    def anchor(self) -> str:
        """What has to be in a text that is this sentence."""
        return re.sub(r"^\W+", "", max(self.words, key=len))[:_LONGEST_ANCHOR].rstrip()

    @property
    def weight(self) -> int:
        """How much of it are words of ours."""
        return sum(map(len, self.words))


@dataclass(frozen=True, slots=True)
class _Index:
    """Sentences by what is in a text that is one of them.

    Parameters
    ----------
    pattern
        Matches the longest anchor at each place where one is.
    begun
        Anchor to the sentences that have it, or a beginning of it.
    """

    pattern: re.Pattern[str]
    begun: dict[str, tuple[_Sentence, ...]]

    def candidates(self, line: str) -> tuple[_Sentence, ...]:
        """Return the sentences that may be in a line: those with most words first."""
        found = {match[1] for match in self.pattern.finditer(line)}
        if len(found) < 2:
            return self.begun[found.pop()] if found else ()
        return _most_words_first(sentence for anchor in found for sentence in self.begun[anchor])


@dataclass(slots=True)
class _Reading:
    """How a text is read.

    Parameters
    ----------
    candidates
        The sentences that may be in this line.
    tries
        How often it may still be tried whether something is one.
    """

    language: str
    kind: Kind
    candidates: tuple[_Sentence, ...] = ()
    tries: int = _MOST_TRIES


def has_words(language: str | None) -> bool:
    """Tell whether what is told is told otherwise in a language than in English."""
    return language is not None and language != ENGLISH and bool(words_in(language))


def in_language(text: str, language: str | None, kind: Kind = Kind.REFUSAL) -> str:
    """Return what is told in a language, sentence by sentence, each with its values; what is none of ours as it is.

    Parameters
    ----------
    language
        None for whoever has not said what they read: what they are told stays as it is, with commands as remedies.
    """
    if language is None or len(text) > _LONGEST:
        return text
    if not has_words(language):
        if kind is not Kind.REFUSAL:
            return text
        language = ENGLISH
    return _told(text, language, kind)


@lru_cache(maxsize=2048)
def _told(text: str, language: str, kind: Kind) -> str:
    index = _index(language == ENGLISH, kind is Kind.AUTOMATION)
    if index.pattern.search(text) is None:
        return text
    reading = _Reading(language, kind)
    lines = []
    for line in text.split("\n"):
        reading.tries -= 1
        reading.candidates = index.candidates(line) if reading.tries > 0 else ()
        lines.append(_line(line, reading) if reading.candidates else line)
    return "\n".join(lines)


def _line(line: str, reading: _Reading, depth: int = 0) -> str:
    """Return a line in a language: as one sentence, else as several, with what is before, between and after them."""
    whole = _as_one(line, reading, depth, has_inner=False)
    if whole is not None:
        return whole
    several = _several(line, reading, depth)
    if several != line:
        return several
    whole = _as_one(line, reading, depth)
    return line if whole is None else whole


def _several(line: str, reading: _Reading, depth: int) -> str:
    is_message = reading.kind is Kind.MESSAGE or depth > 0
    pattern = _END_IN_MESSAGE if is_message else _END
    ends = [found.start() for found in pattern.finditer(line)][:_MOST_ENDS]
    if not ends:
        return line
    parts, begin = [], 0
    while begin < len(line):
        further = [end for end in (*ends, len(line)) if end > begin]
        found = _first_part(line, begin, further, reading, depth)
        # what follows words that are not ours may be theirs who sent it; but for the name of a field
        is_field = not is_message and line[further[0] - 1] == ":"
        if found is None and (reading.tries <= 0 or not (is_field or reading.language == ENGLISH)):
            parts.append(line[begin:])
            break
        end, part = found or (further[0], line[begin : further[0]])
        parts.append(part)
        begin = end + 1
    return " ".join(parts)


def _first_part(line: str, begin: int, ends: Sequence[int], reading: _Reading, depth: int) -> tuple[int, str] | None:
    """Return where the first sentence ends, and what is said of it: the longest that has no others within, if any."""
    for has_inner, places in ((False, ends[::-1]), (True, ends)):
        for end in places:
            piece = line[begin:end]
            translated = _as_one(piece, reading, depth, has_inner=has_inner)
            if translated is None and piece.startswith("(") and piece.endswith(")"):
                within = _as_one(piece[1:-1], reading, depth)
                translated = None if within is None else f"({within})"
            if translated is not None:
                return end, translated
            if reading.tries <= 0:
                return None
    return None


def _as_one(text: str, reading: _Reading, depth: int, *, has_inner: bool = True) -> str | None:
    """Return a text that is one sentence in a language; None where it is none of ours.

    Parameters
    ----------
    has_inner
        Whether a value may have several sentences in it, or others than ours.
    """
    is_message = reading.kind is Kind.MESSAGE or depth > 0
    for sentence in reading.candidates:
        reading.tries -= 1
        if reading.tries <= 0:
            return None
        values = _values(sentence.words, text)
        if values is None or (is_message and values and not sentence.words[0] and ": " in values[0]):
            continue  # "ValueError: 'x' is none of 1, 2." is of a user's code
        if has_inner or all(_is_plain(value, reading) for value in values):
            return _filled(sentence, values, reading, depth)
    return None


def _is_plain(value: str, reading: _Reading) -> bool:
    """Tell whether a value is no sentence, or one of ours alone."""
    if _END.search(value) is None:
        return True
    reading.tries -= len(reading.candidates)
    return any(_values(sentence.words, value) is not None for sentence in reading.candidates)


def _filled(sentence: _Sentence, values: Sequence[str], reading: _Reading, depth: int) -> str:
    told = list(values)
    if depth < _DEEPEST:
        for place in sentence.holding:
            told[place - 1] = _held(values[place - 1], reading, depth + 1)
    pieces = _pieces(sentence.said, reading.language)
    return "".join(piece if isinstance(piece, str) else told[piece] for piece in pieces)


def _held(value: str, reading: _Reading, depth: int) -> str:
    """Return a value that may be a sentence of ours, or several."""
    if " " not in value:
        return value
    for sentence in _within():
        if (values := _values(sentence.words, value)) is not None:
            return _filled(sentence, values, reading, depth)
    return _line(value, reading, depth)


@cache
def _pieces(said: str, language: str) -> tuple[str | int, ...]:
    """Return what a sentence is in a language: its words, and the numbers of its values from 0, in their order."""
    if language != ENGLISH:
        said = str(words_in(language).get(said, [said])[0])
    return tuple(int(piece) - 1 if index % 2 else piece for index, piece in enumerate(_PLACE.split(said)))


def values_in(sentence: str, text: str) -> list[str] | None:
    """Return what stands in the places of a sentence, in their order; None where a text is not this sentence.

    A value has at least one character, all on one line, and ends where the words after it first come. O(text): whoever
    sends what is wrong chooses most of the text, and a regular expression would try all the ways to divide it.
    """
    return None if "\n" in text else _values(_words_of(sentence), text)


def _values(words: Sequence[str], text: str) -> list[str] | None:
    first, last = words[0], words[-1]
    if not text.startswith(first) or not text.endswith(last):
        return None
    if len(words) == 1:
        return [] if text == first else None
    end = len(text) - len(last)
    values, begin = [], len(first)
    for between in words[1:-1]:
        if (found := text.find(between, begin + 1, end)) < 0:
            return None
        values.append(text[begin:found])
        begin = found + len(between)
    return [*values, text[begin:end]] if begin < end else None


def _words_of(sentence: str) -> tuple[str, ...]:
    """Return what stands before, between and after the places of a sentence."""
    return tuple(_PLACE.sub("\n", sentence).split("\n"))


@cache
def _within() -> tuple[_Sentence, ...]:
    return _most_words_first(map(_taken_apart, SAID_WITHIN))


@cache
def _index(is_for_pages_alone: bool, is_of_automations: bool) -> _Index:
    """Return the sentences to look for: in English only those for which a page has a remedy of its own."""
    texts: Iterable[str] = SAID_ON_PAGES
    if not is_for_pages_alone:
        texts = (*SENTENCES, *SAID_ON_PAGES, *SAID_EVERYWHERE, *(SAID_OF_AUTOMATIONS if is_of_automations else ()))
    by_anchor: dict[str, list[_Sentence]] = {}
    for sentence in map(_taken_apart, dict.fromkeys(texts)):
        by_anchor.setdefault(sentence.anchor, []).append(sentence)
    begun = {
        anchor: _most_words_first(
            one for other, found in by_anchor.items() if anchor.startswith(other) for one in found
        )
        for anchor in by_anchor
    }
    # the look-ahead takes nothing: an anchor may begin within another
    return _Index(re.compile(rf"(?<!\w)(?=({_longest_of(by_anchor)}))"), begun)


def _longest_of(words: Iterable[str]) -> str:
    """Return a pattern of the longest of these words, which share their beginnings: else each is tried each time."""
    by_letter: dict[str, list[str]] = {}
    for word in words:
        by_letter.setdefault(word[:1], []).append(word[1:])
    is_end = by_letter.pop("", None) is not None
    if not by_letter:
        return ""
    ways = [f"{re.escape(letter)}{_longest_of(rest)}" for letter, rest in by_letter.items()]
    return ways[0] if len(ways) == 1 and not is_end else f"(?:{'|'.join(ways)}){'?' if is_end else ''}"


def _taken_apart(sentence: str) -> _Sentence:
    return _Sentence(_words_of(sentence), SAID_ON_PAGES.get(sentence, sentence), HOLDING.get(sentence, ()))


def _most_words_first(sentences: Iterable[_Sentence]) -> tuple[_Sentence, ...]:
    return tuple(sorted(dict.fromkeys(sentences), key=lambda one: -one.weight))

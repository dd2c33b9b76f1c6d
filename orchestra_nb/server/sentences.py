"""What forms are told is wrong, in the reader's language: sentences of ours, in which ``%1`` stands for a value.

A sentence that is not among these, or is put together of several, stays English. ``make catalogue`` takes them into the
catalogues; a test has forms refused and finds none of these errors in English.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from orchestra_nb.reading_language import ENGLISH
from orchestra_nb.server.languages import words_in

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
_PLACE: Final = re.compile(r"%(\d+)")


def in_language(text: str, language: str) -> str:
    """Return a sentence in a language, with its values; as it is where it is none of ours, or not translated."""
    if language == ENGLISH:
        return text
    for sentence in _most_words_first():
        if (values := values_in(sentence, text)) is not None:
            translated = str(words_in(language).get(sentence, [sentence])[0])
            return _PLACE.sub(lambda place: values[int(place[1]) - 1], translated)
    return text


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


@cache
def _most_words_first() -> tuple[str, ...]:
    return tuple(sorted(SENTENCES, key=lambda one: len(_PLACE.sub("", one)), reverse=True))

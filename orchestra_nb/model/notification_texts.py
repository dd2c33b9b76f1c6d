"""The words of a notification: a title and a body from Jinja templates, rendered in a sandbox.

A template that fails is no reason to keep silent: then the usual words are sent, and they say what is wrong with it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.durations import format_duration
from orchestra_nb.model.notifications import Health, News, NotificationRule, Standing, subject_of
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_run

if TYPE_CHECKING:
    from jinja2 import Environment

#: What is longer is cut: services refuse long texts.
_LONGEST_TITLE: Final = 250
_LONGEST_BODY: Final = 8_000

_TITLE: Final = "{{ run.flow_name }} {{ moment }}{% if run.deployment %} ({{ subject }}){% endif %}"
_BODY: Final = """\
{{ run.name }} of {{ run.flow_name }} is {{ run.state }}{% if run.message %}: {{ run.message }}{% endif %}

{% if run.due_at %}Due: {{ run.due_at | time }}
{% endif -%}
{% if parameters %}Parameters: {{ parameters }}
{% endif -%}
{% if run.started_at %}Started: {{ run.started_at | time }}
{% endif -%}
{{ moment | capitalize }}: {{ at | time }}
{% if attempt > 1 %}Attempt: {{ attempt }}
{% endif -%}
{% if previous and previous.health == "ok" -%}
Before: {{ previous.run_name }} was {{ previous.state }} at {{ previous.at | time }}
{% elif previous -%}
Before: {{ previous.health }} since {{ previous.since | time }} ({{ previous.since | until(at) }}), \
last {{ previous.run_name }}
{% endif -%}
{% if run.notebook_path %}Notebook: {{ run.notebook_path }}
{% endif -%}
Look: {{ command }}{% if link %}
{{ link }}{% endif %}"""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A title of one line, and a body."""

    title: str
    body: str


def text_of(rule: NotificationRule, news: News, pages_url: str = "") -> Text:
    """Return the words in which a rule tells its news.

    Parameters
    ----------
    pages_url
        Where readers reach the pages, for the link to the run; empty for no link.
    """
    facts = _facts(rule, news, pages_url)
    try:
        return _render(rule, facts)
    except Exception as error:  # whatever a template does wrong
        usual = _render(NotificationRule(name=rule.name, channels=rule.channels), facts)
        note = f"\n\n(The templates of the rule {rule.name} cannot be used: {_words(error)})"
        return Text(title=usual.title, body=f"{usual.body}{note}")


def check_templates(rule: NotificationRule) -> NotificationRule:
    """Return a rule whose templates can be rendered.

    Raises
    ------
    InvalidInput
        A template is none, or asks for what no run has; the message names the facts that there are.
    """
    for news in _EXAMPLES:
        facts = _facts(rule, news)
        for part in ("title", "body"):
            try:
                _environment().from_string(getattr(rule, part)).render(facts)
            except Exception as error:
                names = ", ".join([*(name for name in facts if name != "run"), *(f"run.{name}" for name in _RUN_FACTS)])
                words = f"{_words(error)}. It may use: {', '.join(facts)}."
                raise InvalidInput(
                    f"The templates of the rule {rule.name!r} cannot be used: {_words(error)}. They may use: {names}.",
                    {f"/{part}": words},
                ) from error
    return rule


def _render(rule: NotificationRule, facts: dict[str, object]) -> Text:
    environment = _environment()
    title = environment.from_string(rule.title or _TITLE).render(facts)
    body = environment.from_string(rule.body or _BODY).render(facts)
    return Text(title=_cut(" ".join(title.split()), _LONGEST_TITLE), body=_cut(body.strip(), _LONGEST_BODY))


_LONGEST_PARAMETERS: Final = 300
_RUN_FACTS: Final = (
    *("run_id", "name", "flow_name", "kind", "state", "message", "deployment", "parameters", "tags"),
    *("created_at", "started_at", "ended_at", "due_at", "notebook_path", "output_path"),
)


def _facts(rule: NotificationRule, news: News, pages_url: str = "") -> dict[str, object]:
    run = news.run
    return {
        "rule": rule.name,
        "moment": news.moment,
        "subject": subject_of(run),
        "parameters": ", ".join(f"{name}={value!r}" for name, value in run.parameters.items())[:_LONGEST_PARAMETERS],
        "run": {name: _plain(getattr(run, name)) for name in _RUN_FACTS},
        "at": news.at,
        "attempt": run.epoch,
        "previous": _plain_standing(news.previous),
        "command": f"orchestra runs show {typed_run(run)}",
        "link": f"{pages_url.rstrip('/')}/runs/{run.run_id}" if pages_url else "",
    }


def _plain_standing(standing: Standing | None) -> dict[str, object] | None:
    if standing is None:
        return None
    return {name: _plain(value) for name, value in msgspec.structs.asdict(standing).items()}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return _Given(value)
    return value.value if isinstance(value, State | RunKind | Health) else value


class _Given(dict[str, object]):
    """Parameters or tags: a name that a run does not have is empty, since runs differ in them."""

    def __missing__(self, name: str) -> str:
        return ""


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from orchestra_nb.model.told_undefined import ToldUndefined

    environment = ImmutableSandboxedEnvironment(undefined=ToldUndefined)
    environment.filters["time"] = _time
    environment.filters["until"] = lambda since, at: format_duration(max(0.0, (at - since).total_seconds()))
    return environment


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _words(error: Exception) -> str:
    from jinja2 import UndefinedError

    if isinstance(error, UndefinedError):
        return str(error)[:500].rstrip(".")
    return f"{type(error).__name__}: {error}"[:500].rstrip(".")


def _example(state: State, previous: Standing | None, **fields: object) -> News:
    run = Run(
        run_id="0" * 32,
        name="calm-fox",
        flow_name="train",
        kind=RunKind.NOTEBOOK,
        state=state,
        created_at=_NOON,
        message="ZeroDivisionError: division by zero",
        **fields,  # type: ignore[arg-type]
    )
    return News(moment="failed", severity="failure", run=run, at=_NOON, previous=previous)


_NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)

#: A run with as little, and one with as much, as there can be: a template must do for both.
_EXAMPLES: Final = (
    _example(State.MISSED, None),
    _example(
        State.FAILED,
        Standing(health=Health.OK, since=_NOON, state=State.COMPLETED, at=_NOON, run_name="old-owl"),
        started_at=_NOON,
        ended_at=_NOON,
        due_at=_NOON,
        deployment="daily",
        notebook_path="train.ipynb",
        output_path="out.ipynb",
    ),
)

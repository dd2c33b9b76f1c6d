"""What a message of a webhook starts, from Jinja templates over its body and headers, rendered in a sandbox.

A template that is nothing but ``{{ expression }}`` gives the expression's value, such as a number or a list; any other
gives text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.webhooks import Webhook

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

_FORM: Final = "application/x-www-form-urlencoded"
#: What of a message proves who sent it: templates do not see it, and it is not kept.
_PROOFS: Final = frozenset(
    (
        *("authorization", "cookie", "proxy-authorization", "webhook-signature"),
        *("x-hub-signature", "x-hub-signature-256", "x-slack-signature"),
    )
)
#: What a condition says when it says no.
_NO: Final = frozenset(("", "0", "false", "no", "none"))
_FACTS: Final = frozenset(("headers", "payload", "webhook"))


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent.

    Parameters
    ----------
    headers
        Name in lower case to value, without what proves who sent it.
    """

    headers: dict[str, str]
    body: bytes


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """What a message gives.

    Parameters
    ----------
    is_wanted
        Whether it starts anything.
    parameters
        Name to value, of JSON's types.
    """

    is_wanted: bool
    parameters: dict[str, object] = {}
    resource: str = ""


def message_of(headers: Mapping[str, str], body: bytes) -> Message:
    """Return what templates may see of what was sent."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _PROOFS}
    return Message(headers=kept, body=body)


def render(webhook: Webhook, message: Message) -> Rendered:
    """Return what a message gives.

    Raises
    ------
    InvalidInput
        The body cannot be read, or a template fails with it; the message says which one, and why.
    """
    facts: dict[str, object] = {
        "webhook": webhook.name,
        "headers": _Headers(message.headers),
        "payload": payload_of(message),
    }
    if webhook.condition and _text_of("condition", webhook.condition, facts).strip().lower() in _NO:
        return Rendered(is_wanted=False)
    parameters = {
        name: _value_of(f"template of {name!r}", template, facts) for name, template in webhook.parameters.items()
    }
    resource = _text_of("template of the resource", webhook.resource, facts).strip() if webhook.resource else ""
    if webhook.resource and not resource:
        raise InvalidInput("The template of the resource gave nothing: name what the event is about.")
    return Rendered(is_wanted=True, parameters=parameters, resource=resource)


def payload_of(message: Message) -> object:
    """Return the body as templates see it: JSON, or the fields of a form.

    A form with one field ``payload`` that is JSON gives that, as GitHub and Slack send it.

    Raises
    ------
    InvalidInput
        It is neither.
    """
    try:
        text = message.body.decode("utf-8")
        if message.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
            fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=1_000))
            return json.loads(fields["payload"]) if list(fields) == ["payload"] else fields
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The body is neither JSON nor a form: {error}") from None


def check_templates(webhook: Webhook) -> Webhook:
    """Return a webhook whose templates are some; those that are none are refused all at once.

    Raises
    ------
    InvalidInput
        A template cannot be read, or asks for what no message has.
    """
    from jinja2 import TemplateError, meta

    named = [
        *((f"template of {name!r}", "/parameters", template) for name, template in webhook.parameters.items()),
        ("condition", "/condition", webhook.condition),
        ("template of the resource", "/resource", webhook.resource),
    ]
    findings = Findings()
    for what, place, template in named:
        try:
            unknown = meta.find_undeclared_variables(_environment().parse(template)) - _FACTS
            _environment().from_string(template)  # unknown filters
        except TemplateError as error:
            message = f"The {what} cannot be used: {error}"
            findings.errors.append(InvalidInput(message, {place: message}))
            continue
        if unknown:
            message = (
                f"The {what} asks for {', '.join(sorted(unknown))}. Templates may use payload, headers and webhook."
            )
            findings.errors.append(InvalidInput(message, {place: message}))
    findings.tell()
    return webhook


def _value_of(what: str, template: str, facts: Mapping[str, object]) -> object:
    try:
        expression = _expression_of(template)
        if expression is None:
            return _environment().from_string(template).render(facts)
        value = _environment().compile_expression(expression, undefined_to_none=False)(**facts)
        # from JSON again: text that was marked as safe, say, is text
        return from_json_text(to_json_text(_defined(value), f"The {what}"))
    except InvalidInput:
        raise
    except Exception as error:  # whatever a template does wrong
        raise InvalidInput(f"The {what} fails: {type(error).__name__}: {error}") from error


def _text_of(what: str, template: str, facts: Mapping[str, object]) -> str:
    try:
        return _environment().from_string(template).render(facts)
    except Exception as error:  # whatever a template does wrong
        raise InvalidInput(f"The {what} fails: {type(error).__name__}: {error}") from error


def _expression_of(template: str) -> str | None:
    """Return the expression that is all of a template; None where there is more, or none."""
    from jinja2 import nodes

    text = template.strip()
    body = _environment().parse(text).body
    if len(body) == 1 and isinstance(body[0], nodes.Output) and text.startswith("{{") and text.endswith("}}"):
        parts = body[0].nodes
        if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData):
            return text[2:-2].strip("-+")
    return None


def _defined(value: object) -> object:
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        str(value)  # raises, and says what is missing
    return list(value) if isinstance(value, Iterator) else value  # what filters such as map give


class _Headers(dict[str, str]):
    """Headers, whose names have no case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        """Return a header, or the default."""
        return super().get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from orchestra_nb.model.told_undefined import ToldUndefined

    class Environment(ImmutableSandboxedEnvironment):
        """In which ``payload.items`` is what was sent under that name, and no method of dictionaries."""

        def getattr(self, obj: object, attribute: str) -> object:
            if isinstance(obj, dict) and attribute in obj:
                return obj[attribute]
            return super().getattr(obj, attribute)

    return Environment(undefined=ToldUndefined)

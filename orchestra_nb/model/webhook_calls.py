"""The HTTP request that an automation sends to a webhook: what may stand in it, what it sends, and how it is shown.

Secrets stand in it by their names, and are put in where it is sent; so it is kept, listed and shown without them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import unquote_plus, urlsplit

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automations import HOPS_HEADER, Action, CallWebhook, SecretText
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.outbox import Delivery
from orchestra_nb.model.public_addresses import is_public
from orchestra_nb.model.secret_values import HIDDEN, SECRET_KEY, Secret
from orchestra_nb.model.webhook_signatures import standard_headers

#: What is told where a request says nothing else.
USUAL_JSON: Final = {"automation": "{{ automation }}", "about": "{{ about }}", "at": "{{ at }}"}
#: How a host is allowed whose addresses are not public.
HOW_TO_ALLOW: Final = "Where that is meant, name the host in allow_private."

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: The scheme and the host of an address where no template stands in these.
_WITHOUT_TEMPLATE: Final = re.compile(r"https?://[^/?#{]+(?=[/?#])")
#: What stands in an address before its query: its templates, whatever is in these, and other characters.
_BEFORE_QUERY: Final = re.compile(r"(?:\{\{[^{}]*\}\}|\{%[^{}]*%\}|[^?#])*")
#: The name of a part of a query.
_QUERY_NAME: Final = re.compile(r"[?&;]([^?&;=#{}]+)=")
#: Headers that are not for people to set.
_TAKEN: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", HOPS_HEADER.lower()}
)
#: Headers, and parts of queries, that hold what nobody else may see.
_HIDDEN: Final = re.compile(
    r"authorization|cookie|secret|passw|token|api[-_]?key|access[-_]?key|credential|signature|^sig$", re.IGNORECASE
)
_SIGNED: Final = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
#: Stands in the outbox in place of the host where the whole address is a secret.
_SECRET_ORIGIN: Final = "secret://"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What goes over the wire, with the secrets in it: for whoever sends it, and for nobody else."""

    url: str
    method: str
    headers: dict[str, str]
    body: bytes | None


def check_call(call: CallWebhook, *, is_rendered: bool) -> CallWebhook:
    """Return a request that can be sent.

    Parameters
    ----------
    is_rendered
        Whether its templates were rendered: what they stand in is not looked at before.

    Raises
    ------
    InvalidInput
        Its address or a header is none, it would call the own network, or a secret stands in it in plain words; or its
        json has a number that JSON does not have.
    """
    for place, secret in _secrets(call):
        if not secret:
            raise InvalidInput(f"{place}: write {{{SECRET_KEY}: NAME}}.")
    for host in call.private_hosts:
        if not host or host != host.strip().lower() or any(character in host for character in "/*{@") or ":/" in host:
            raise InvalidInput(f"allow_private: {host!r} is no name of a host. Write it as it stands in the address.")
    if isinstance(call.url, str):
        _check_url(call.url, call.private_hosts, is_rendered=is_rendered)
    for header, value in call.headers.items():
        _check_header(header, value, is_signed=bool(call.signed_with), is_rendered=is_rendered)
    if call.json is not None and call.text:
        raise InvalidInput("A request has a body of json or of text, and one of them.")
    if call.method == "GET" and (call.json is not None or call.text):
        raise InvalidInput("A GET has no body: leave json and text out, or choose another method.")
    if _has_secret(call.json):
        raise InvalidInput(f"{{{SECRET_KEY}: …}} stands for the address, or for a header: a body has no secrets.")
    to_json_text(call.json, "The json of the action")
    _check_numbers(call.json, "json")
    return call


def check_address(url: str, private_hosts: tuple[str, ...]) -> str:
    """Return an address that may be called.

    Raises
    ------
    InvalidInput
        It is none, has a password in it, or is one of this machine or of the network around it. The message does not
        have it: it may be a secret.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if host is None or not is_plain or parts.scheme not in ("http", "https"):
        raise InvalidInput("This is no address of a webhook: it is https://host/path, in ASCII and %-codes.")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("A password in an address would be seen by all: set a secret, and name it in a header.")
    if host not in private_hosts and (_is_local_name(host) or (_is_number(host) and not is_public(host))):
        raise InvalidInput(f"{host} is not an address of the open internet. {HOW_TO_ALLOW}")
    return url


def origin_of(call: CallWebhook) -> str:
    """Return where a request goes, as lists show it; no name of a channel looks so.

    Examples
    --------
    >>> origin_of(CallWebhook(url="https://example.org/hooks/1"))
    'https://example.org'
    """
    if isinstance(call.url, dict):
        return f"{_SECRET_ORIGIN}{call.url[SECRET_KEY]}"
    parts = urlsplit(call.url)
    return f"{parts.scheme}://{parts.netloc}"


def call_of(delivery: Delivery) -> CallWebhook | None:
    """Return the request that a message of the outbox is; None where it goes to a channel."""
    return msgspec.json.decode(delivery.body, type=CallWebhook) if "://" in delivery.channel else None


def call_title(call: CallWebhook) -> str:
    """Return in some words what a request is, with its address as far as it may be seen.

    Examples
    --------
    >>> call_title(CallWebhook(url="https://example.org/hooks/1?for=ana"))
    'POST https://example.org/hooks/1?…'
    """
    return f"{call.method} {_shown(without_query(call).url)}"


def without_query(call: CallWebhook) -> CallWebhook:
    """Return a request as all may see it who look on: what an address has behind its path is often a secret."""
    if isinstance(call.url, dict):
        return call
    begin = _BEFORE_QUERY.match(call.url)
    assert begin is not None
    return call if begin[0] == call.url else msgspec.structs.replace(call, url=f"{begin[0]}?…")


def actions_shown(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return rendered actions as all may see them who look on."""
    return tuple(without_query(action) if isinstance(action, CallWebhook) else action for action in actions)


def delivery_shown(delivery: Delivery) -> Delivery:
    """Return a message of the outbox as all may see it who look on."""
    call = call_of(delivery)
    if call is None:
        return delivery
    return msgspec.structs.replace(delivery, body=msgspec.json.encode(without_query(call)).decode())


def call_lines(call: CallWebhook) -> list[str]:
    """Return a request as it is sent, with names in place of the secrets."""
    lines = [f"{call.method} {_shown(call.url)}"]
    lines += [f"{name}: {_shown(value)}" for name, value in _all_headers(call).items()]
    if call.signed_with:
        lines.append(f"webhook-signature: {_shown({SECRET_KEY: call.signed_with})}")
    body = _body(call)
    return lines if body is None else [*lines, "", *body.decode("utf-8", "replace").splitlines()]


def secret_names_of(call: CallWebhook) -> list[str]:
    """Return the names of the stored secrets that a request needs, each once."""
    return list(dict.fromkeys(name for _, name in _secrets(call)))


def request_of(call: CallWebhook, secrets: Mapping[str, Secret], name: str, now: datetime) -> Request:
    """Return what is sent.

    Parameters
    ----------
    secrets
        Name to secret.
    name
        Names the message: the same at each try.

    Raises
    ------
    InvalidInput
        A secret is no address that may be called, no text of a header, or none to sign with.
    """

    def text(value: SecretText) -> str:
        return secrets[value[SECRET_KEY]].get() if isinstance(value, dict) else value

    url = check_address(text(call.url), call.private_hosts)
    headers = {header: text(value) for header, value in _all_headers(call).items()}
    for header, value in headers.items():
        if not _is_header_text(value):
            raise InvalidInput(f"The secret of the header {header} has line breaks, or signs that headers cannot have.")
    body = _body(call)
    if call.signed_with:
        headers |= standard_headers(secrets[call.signed_with], name, body or b"", now)
    return Request(url=url, method=call.method, headers=headers, body=body)


def may_be_private(call: CallWebhook, url: str) -> bool:
    """Tell whether an address may lead into the own network."""
    return urlsplit(url).hostname in call.private_hosts


def _check_url(url: str, private_hosts: tuple[str, ...], *, is_rendered: bool) -> None:
    for name in _QUERY_NAME.findall(url):
        if _HIDDEN.search(unquote_plus(name)):
            raise InvalidInput(
                f"{unquote_plus(name)} in the query of the address holds a secret. Set all of the address with "
                f"`orchestra secrets set NAME`, and write {{{SECRET_KEY}: NAME}}."
            )
    host = _WITHOUT_TEMPLATE.match(url)
    if is_rendered or "{" not in url:
        check_address(url, private_hosts)
    elif host is not None:
        check_address(host[0], private_hosts)
    elif not url.startswith(("https://", "http://", "{")):
        raise InvalidInput(f"{url!r} is no address of a webhook: it begins with https:// or http://.")


def _check_header(name: str, value: SecretText, *, is_signed: bool, is_rendered: bool) -> None:
    if not _HEADER.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name of a header.")
    if name.lower() in _TAKEN or (is_signed and name.lower() in _SIGNED):
        raise InvalidInput(f"The header {name} is set by itself. Leave it out.")
    if isinstance(value, dict):
        return
    if _HIDDEN.search(name):
        raise InvalidInput(
            f"The header {name} holds a secret. Set all of its text with `orchestra secrets set NAME`, and write "
            f"{{{SECRET_KEY}: NAME}}."
        )
    if (is_rendered or "{" not in value) and not _is_header_text(value):
        raise InvalidInput(f"The header {name} has line breaks, or signs that headers cannot have.")


def _is_header_text(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _all_headers(call: CallWebhook) -> dict[str, SecretText]:
    given = {name.lower() for name in call.headers}
    headers: dict[str, SecretText] = {}
    if "content-type" not in given and (call.json is not None or call.text):
        headers["Content-Type"] = "application/json" if call.json is not None else "text/plain; charset=utf-8"
    if "user-agent" not in given:
        headers["User-Agent"] = "Orchestra-NB"
    return headers | call.headers


def _body(call: CallWebhook) -> bytes | None:
    if call.json is not None:
        return json.dumps(call.json, ensure_ascii=False).encode("utf-8", "replace")
    return call.text.encode("utf-8", "replace") if call.text else None


def _secrets(call: CallWebhook) -> Iterator[tuple[str, str]]:
    """Yield where a secret stands, and its name; an empty one where that is not said as it has to be."""
    places: dict[str, SecretText] = {"call_webhook": call.url}
    places |= {f"headers.{name}": value for name, value in call.headers.items()}
    for place, value in places.items():
        if isinstance(value, dict):
            yield place, value[SECRET_KEY] if set(value) == {SECRET_KEY} else ""
    if call.signed_with:
        yield "sign", call.signed_with


def _check_numbers(value: object, place: str) -> None:
    """Refuse what JSON has no number for: whoever is called would get null, or could not read the body."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{place} is {value}, which JSON does not have. Send a number, a text or null in its place.")
    if isinstance(value, Mapping):
        for name, item in value.items():
            _check_numbers(item, f"{place}.{name}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check_numbers(item, f"{place}[{number}]")


def _has_secret(value: object) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {SECRET_KEY} or any(map(_has_secret, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_secret, value))


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _is_number(host: str) -> bool:
    return ":" in host or bool(re.fullmatch(r"[0-9.]+", host))


def _shown(value: SecretText) -> str:
    return f"{HIDDEN} (secret {value[SECRET_KEY]})" if isinstance(value, dict) else value

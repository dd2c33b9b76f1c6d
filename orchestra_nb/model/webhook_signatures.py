"""Whether a message comes from who shares a webhook's secret, decided purely; comparisons take constant time.

Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
GitHub: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
Slack: https://api.slack.com/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhooks import WebhookScheme

#: How far the time of a message may be off, before and after now.
TOLERANCE_SECONDS: Final = 300

_PREFIX: Final = "whsec_"
_LONGEST_ID: Final = 256
#: Standard Webhooks says 24 bytes to 64; senders that draw their own are taken at their word.
_SHORTEST_SECRET: Final = 16


class SignatureRefused(Exception):
    """A message is not signed as it has to be; the text says why, for the log and never for the sender."""


def check_secret(scheme: WebhookScheme, secret: Secret) -> Secret:
    """Return a secret that messages can be signed with.

    Raises
    ------
    InvalidInput
        It is too short, or not in the form of its scheme.
    """
    try:
        key = _key(scheme, secret)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"The secret is none of Standard Webhooks: it is {_PREFIX} and Base64.") from None
    if len(key) < _SHORTEST_SECRET:
        raise InvalidInput(f"The secret is too short: {_SHORTEST_SECRET} bytes are the least.")
    return secret


def secret_of(scheme: WebhookScheme, random_bytes: bytes) -> Secret:
    """Return random bytes as a secret in the form of a scheme."""
    if scheme is WebhookScheme.STANDARD:
        return Secret(_PREFIX + base64.b64encode(random_bytes).decode("ascii"))
    return Secret(random_bytes.hex())


def message_id(
    scheme: WebhookScheme, secrets: Sequence[Secret], headers: Mapping[str, str], body: bytes, now: datetime
) -> str:
    """Return what names a message: the same one that is sent again has the same.

    GitHub does not sign the name of its messages, nor a time.

    Parameters
    ----------
    secrets
        It is signed with one of these; which of them makes no difference in time.
    headers
        Name in lower case to value.

    Raises
    ------
    SignatureRefused
        The signature is absent or wrong, or the time is more than five minutes off.
    """
    # all is looked at before anything is refused: the time tells neither which webhooks there are nor how they sign
    wrong: list[str] = []
    keys = [_key(scheme, secret) for secret in secrets]
    match scheme:
        case WebhookScheme.STANDARD:
            name = _name(headers, "webhook-id", wrong)
            signed = f"{name}.{_time(headers, 'webhook-timestamp', now, wrong)}.".encode("utf-8", "surrogatepass")
            right = [f"v1,{base64.b64encode(_digest(key, signed, body)).decode()}" for key in keys]
            given = headers.get("webhook-signature", "").split(" ")
        case WebhookScheme.GITHUB:
            name = _name(headers, "x-github-delivery", wrong)
            right = [f"sha256={_digest(key, body).hex()}" for key in keys]
            given = [headers.get("x-hub-signature-256", "")]
        case WebhookScheme.SLACK:
            sent_at = _time(headers, "x-slack-request-timestamp", now, wrong)
            signed = f"v0:{sent_at}:".encode("utf-8", "surrogatepass")
            right = [f"v0={_digest(key, signed, body).hex()}" for key in keys]
            given = [headers.get("x-slack-signature", "")]
            name = ""
    if not _is_among(right, given):
        wrong.append("the signature is absent, or wrong")
    if wrong:
        raise SignatureRefused(", and ".join(wrong))
    return name or _slack_event(body) or hashlib.sha256(signed + body).hexdigest()


def standard_headers(secret: Secret, name: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks for a message that is sent now.

    Parameters
    ----------
    name
        Names the message: the same one that is sent again has the same.

    Raises
    ------
    InvalidInput
        The secret is none to sign with.
    """
    key = _key(WebhookScheme.STANDARD, check_secret(WebhookScheme.STANDARD, secret))
    sent_at = str(int(now.timestamp()))
    signature = base64.b64encode(_digest(key, f"{name}.{sent_at}.".encode(), body)).decode("ascii")
    return {"webhook-id": name, "webhook-timestamp": sent_at, "webhook-signature": f"v1,{signature}"}


def slack_challenge(body: bytes) -> str | None:
    """Return what Slack wants to hear when it tries an address for events; None when it does not try it."""
    sent = _object(body)
    challenge = sent.get("challenge") if sent.get("type") == "url_verification" else None
    return challenge if isinstance(challenge, str) else None


def _key(scheme: WebhookScheme, secret: Secret) -> bytes:
    text = secret.get()
    if scheme is not WebhookScheme.STANDARD:
        return text.encode("utf-8", "surrogatepass")
    encoded = text.removeprefix(_PREFIX)
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def _digest(key: bytes, *parts: bytes) -> bytes:
    signing = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        signing.update(part)
    return signing.digest()


def _is_among(right: list[str], given: list[str]) -> bool:
    encoded = [one.encode("utf-8", "surrogatepass") for one in given]
    matches = [hmac.compare_digest(one.encode("ascii"), sent) for one in right for sent in encoded]
    return any(matches)  # of a list: all were compared, whichever is the right one


def _name(headers: Mapping[str, str], header: str, wrong: list[str]) -> str:
    name = headers.get(header, "")
    if not (0 < len(name) <= _LONGEST_ID and name.isascii() and name.isprintable()):
        wrong.append(f"{header} is absent, or no name of a message")
    return name


def _time(headers: Mapping[str, str], header: str, now: datetime, wrong: list[str]) -> str:
    """Return the time of a message as it was signed."""
    text = headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        wrong.append(f"{header} is absent, or no whole number of seconds")
    elif abs(off := int(text) - now.timestamp()) > TOLERANCE_SECONDS:
        wrong.append(f"{header} is {off:+.0f} s off; {TOLERANCE_SECONDS} s are allowed")
    return text


def _slack_event(body: bytes) -> str | None:
    """Return the id of an event: Slack sends it again with another time when it got no answer in three seconds."""
    name = _object(body).get("event_id")
    return name if isinstance(name, str) and 0 < len(name) <= _LONGEST_ID and name.isprintable() else None


def _object(body: bytes) -> dict[str, object]:
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return sent if isinstance(sent, dict) else {}

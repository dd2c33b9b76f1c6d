"""Signatures of webhooks against the examples that their makers publish, and what templates make of messages."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhook_signatures import (
    SignatureRefused,
    message_id,
    secret_of,
    slack_challenge,
    standard_headers,
)
from orchestra_nb.model.webhook_templates import check_templates, message_of, payload_of, render
from orchestra_nb.model.webhooks import Webhook, WebhookScheme

STANDARD, GITHUB, SLACK = WebhookScheme.STANDARD, WebhookScheme.GITHUB, WebhookScheme.SLACK

#: Each scheme's published example: secret, headers, body, and the second in which it was sent.
EXAMPLES = {
    STANDARD: (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        1614265330,
    ),
    GITHUB: (
        "It's a Secret to Everybody",
        {
            "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        },
        b"Hello, World!",
        0,
    ),
    SLACK: (
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        1531420618,
    ),
}

schemes = pytest.mark.parametrize("scheme", EXAMPLES, ids=str)
timed = pytest.mark.parametrize("scheme", [STANDARD, SLACK], ids=str)


def name_of(scheme: WebhookScheme, off_seconds: float = 0, before: int = 0, **changes: str | bytes | None) -> str:
    secret, headers, body, sent_at = EXAMPLES[scheme]
    secret, body = changes.pop("secret", secret), changes.pop("body", body)  # type: ignore[assignment]
    changed = {name: value for name, value in {**headers, **changes}.items() if value is not None}
    now = datetime.fromtimestamp(sent_at, UTC) + timedelta(seconds=off_seconds)
    others = [Secret(base64.b64encode(bytes(24)).decode())] * before
    return message_id(scheme, [*others, Secret(secret)], changed, body, now)  # type: ignore[arg-type]


@schemes
def test_the_published_example_is_taken_under_one_name(scheme: WebhookScheme) -> None:
    assert name_of(scheme) == name_of(scheme, 60) != ""


@timed
@pytest.mark.parametrize(("off", "is_taken"), [(299, True), (-299, True), (300, True), (301, False), (-301, False)])
def test_a_message_counts_for_five_minutes(scheme: WebhookScheme, off: float, is_taken: bool) -> None:
    if is_taken:
        assert name_of(scheme, off)
    else:
        with pytest.raises(SignatureRefused, match="s off"):
            name_of(scheme, off)


@schemes
def test_any_of_the_accepted_secrets_may_have_signed(scheme: WebhookScheme) -> None:
    assert name_of(scheme, before=1) == name_of(scheme)
    with pytest.raises(SignatureRefused):
        name_of(scheme, before=1, secret=base64.b64encode(b"another secret of twenty-four").decode())


@schemes
def test_nothing_of_a_message_can_be_changed_or_left_out(scheme: WebhookScheme) -> None:
    _, headers, body, _ = EXAMPLES[scheme]
    changes: list[dict[str, str | bytes | None]] = [
        {"body": body + b" "},
        {"body": b""},
        {"secret": secret_of(scheme, b"x" * 32).get()},
    ]
    for name, value in headers.items():
        if name != "x-github-delivery":  # which GitHub does not sign
            changes += [{name: value[:-1]}, {name: value + "0"}, {name: f"x{value}"}]
        changes += [{name: None}, {name: ""}, {name: "NaN" if "time" in name else "é"}]

    for change in changes:
        with pytest.raises(SignatureRefused):
            name_of(scheme, **change)


def test_one_of_several_signatures_is_enough_as_while_a_secret_is_changed() -> None:
    right = EXAMPLES[STANDARD][1]["webhook-signature"]

    assert name_of(STANDARD, **{"webhook-signature": f"v1a,x v1,{'A' * 43}= {right} nonsense"})


@pytest.mark.parametrize(
    ("body", "challenge"),
    [
        (b'{"type": "url_verification", "challenge": "abc"}', "abc"),
        (b'{"type": "event_callback", "challenge": "abc"}', None),
        (b'{"type": "url_verification"}', None),
        (b"[1]", None),
        (b"\xff", None),
    ],
)
def test_slack_is_answered_when_it_tries_an_address(body: bytes, challenge: str | None) -> None:
    assert slack_challenge(body) == challenge


@pytest.mark.parametrize(
    ("kind", "body", "payload"),
    [
        ("application/json; charset=utf-8", b'{"a": [1]}', {"a": [1]}),
        ("", b"7", 7),
        ("application/x-www-form-urlencoded", b"a=1&b=x+y&empty=", {"a": "1", "b": "x y", "empty": ""}),
        ("application/x-www-form-urlencoded", b"payload=%7B%22a%22%3A1%7D", {"a": 1}),
        ("application/x-www-form-urlencoded", b"payload=text&b=1", {"payload": "text", "b": "1"}),
    ],
)
def test_a_body_is_json_or_a_form(kind: str, body: bytes, payload: object) -> None:
    assert payload_of(message_of({"Content-Type": kind}, body)) == payload


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ payload.items }}", [1, 2]),
        ("{{ payload['items'] | length }}", 2),
        ("{{- payload.n + 1 -}}", 8),
        (" {{ payload.none }} ", None),
        ("{{ payload.code }}", "{{ 7 * 7 }}"),
        ("{{ payload.n }}{{ payload.n }}", "77"),
        ("{{ payload.absent | default('EU') }}", "EU"),
        ("{{ headers['X-Sender'] }}", "crm"),
        ("{{ headers.get('x-none', 'nobody') }}", "nobody"),
        ("{% if payload.n > 5 %}many{% endif %}", "many"),
        ("{{ payload['items'] | map('string') }}", ["1", "2"]),
        ("{{ payload.text | safe }}", "<b>"),
        ("{{ '}}' }}", "}}"),
        ("{{ webhook }}", "orders"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_an_expression_gives_its_value_and_any_other_template_text(template: str, value: object) -> None:
    webhook = check_templates(Webhook(name="orders", event="e", parameters={"x": template}))
    body = b'{"items": [1, 2], "n": 7, "none": null, "code": "{{ 7 * 7 }}", "text": "<b>"}'

    rendered = render(webhook, message_of({"X-Sender": "crm"}, body))

    assert rendered.parameters == {"x": value}
    assert type(rendered.parameters["x"]) is type(value)


@pytest.mark.parametrize("proof", ["Authorization", "Cookie", "webhook-signature", "X-Slack-Signature"])
def test_templates_do_not_see_what_proves_who_sent_a_message(proof: str) -> None:
    webhook = Webhook(name="orders", event="e", parameters={"x": f"{{{{ headers['{proof}'] }}}}"})

    with pytest.raises(InvalidInput, match="template of 'x'"):
        render(webhook, message_of({proof: "secret"}, b"{}"))


@pytest.mark.parametrize("no", ["", "{{ false }}", "{{ payload.n > 7 }}", " no ", "{{ none }}", "{{ 0 }}"])
def test_a_condition_that_says_no_starts_nothing(no: str) -> None:
    message = message_of({}, b'{"n": 7}')

    assert render(Webhook(name="orders", event="e", condition=no or " "), message).is_wanted is False
    assert render(Webhook(name="orders", event="e", condition="{{ payload.n == 7 }}"), message).is_wanted is True
    assert render(Webhook(name="orders", event="e"), message).is_wanted is True


def test_what_is_sent_is_signed_as_the_published_example_says() -> None:
    secret, headers, body, second = EXAMPLES[STANDARD]

    sent = standard_headers(Secret(secret), headers["webhook-id"], body, datetime.fromtimestamp(second, UTC))

    assert sent == headers

"""One message by apprise, at a real receiver: what comes back, and that nothing of the address is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from patience import PATIENCE_SECONDS
from webhook_receiver import PASSWORD, TOKEN, WebhookReceiver, receiving

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.services.apprise_calls import describe_address, send


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


def sent(url: str, *, may_be_private: bool = True, limit_seconds: float = PATIENCE_SECONDS) -> str | None:
    return send(
        Secret(url),
        title="train failed",
        body="line <1>\nline & 2",
        severity="failure",
        may_be_private=may_be_private,
        limit_seconds=limit_seconds,
    )


def test_a_message_arrives_as_it_was_written(receiver: WebhookReceiver) -> None:
    assert sent(receiver.url()) is None

    (message,) = receiver.messages
    assert (message["title"], message["message"], message["type"]) == ("train failed", "line <1>\nline & 2", "failure")


def test_what_the_service_answers_is_told(receiver: WebhookReceiver) -> None:
    receiver.status = 400

    reason = sent(receiver.url())

    assert reason is not None
    assert "error=400" in reason


def test_a_redirection_is_not_followed_even_where_the_address_asks_for_it(receiver: WebhookReceiver) -> None:
    receiver.status = 302

    reason = sent(f"{receiver.url()}&redirect=yes")

    assert reason is not None
    assert "302" in reason
    assert len(receiver.paths) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_own_machine_is_refused_and_the_remedy_is_named(receiver: WebhookReceiver, host: str) -> None:
    reason = sent(receiver.url().replace("127.0.0.1", host), may_be_private=False)

    assert reason is not None
    assert reason.startswith("Refused: the address 127.0.0.1 is not one of the open internet. ")
    assert "there is a box for it in its form; in a shell it is --allow-private, by HTTP allow_private" in reason
    assert receiver.messages == []


def test_a_receiver_that_never_ends_its_answer_is_cut(receiver: WebhookReceiver) -> None:
    reason = sent(receiver.url("stuck"), limit_seconds=0.5)

    assert reason is not None
    assert reason.startswith("It took longer than 0.5 s.")
    assert len(receiver.messages) == 1


def test_nothing_of_the_address_is_told_or_logged(receiver: WebhookReceiver, caplog: pytest.LogCaptureFixture) -> None:
    reasons = []

    with caplog.at_level(logging.DEBUG):
        logging.getLogger().setLevel(logging.DEBUG)
        for status in (200, 500):
            receiver.status = status
            reasons.append(sent(receiver.url()))
        reasons.append(sent(receiver.url().replace("json://", f"json://{TOKEN}://")))
        reasons.append(sent(f"json://{TOKEN}.invalid/{PASSWORD}"))

    assert [reason is None for reason in reasons] == [True, False, False, False]
    for secret in (PASSWORD, TOKEN):
        assert secret not in f"{reasons[:3]} {caplog.text}"
    assert PASSWORD not in str(reasons)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("json://ana:pw-of-ana@example.org:8080/path/token?x=y", "json://example.org:8080/••••"),
        ("slack://TokenAAAAA/TokenBBBBB/TokenCCCCCCCCCCCCCCCCCCC", "slack://••••"),
        ("https://hooks.slack.com/services/T12345678/B12345678/abcdefghijklmnopqrstuvwx", "slack://••••"),
        ("mailto://ana:pw-of-ana@gmail.com", "mailto://gmail.com:587/••••"),
        ("ntfy://secret-topic", "ntfy://••••"),
    ],
)
def test_of_an_address_no_more_than_service_and_host_is_shown(url: str, shown: str) -> None:
    assert describe_address(Secret(url), may_be_private=False) == shown


@pytest.mark.parametrize("url", ["", "hello", "nosuch://token", "json://", f"json://{TOKEN}:x:y/z"])
def test_what_is_no_address_is_refused_without_repeating_it(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidInput, match="no address that apprise knows") as refusal:
        describe_address(Secret(url), may_be_private=False)

    assert TOKEN not in f"{refusal.value} {caplog.text}"


def test_a_host_that_is_plainly_not_public_is_refused_at_once() -> None:
    for host in ("localhost", "10.0.0.1", "[::1]", "169.254.169.254"):
        with pytest.raises(InvalidInput, match="is not an address of the open internet.*--allow-private"):
            describe_address(Secret(f"json://{host}/hook"), may_be_private=False)
    assert describe_address(Secret("json://10.0.0.1/hook"), may_be_private=True) == "json://10.0.0.1/••••"

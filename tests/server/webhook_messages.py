"""Messages for webhooks, signed as their senders do. Standard Webhooks by its own library, to have a second opinion."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

from standardwebhooks import Webhook


def body_of(payload: object) -> bytes:
    return json.dumps(payload).encode()


def standard(secret: str, body: bytes, *, name: str = "msg_1", off_seconds: float = 0) -> dict[str, str]:
    """Return the headers of a sender of Standard Webhooks whose clock is so far off."""
    at = datetime.fromtimestamp(int(time.time() + off_seconds), UTC)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, at, body.decode()),
        "Content-Type": "application/json",
    }


def github(secret: str, body: bytes, *, name: str = "72d3162e", event: str = "push") -> dict[str, str]:
    """Return GitHub's headers."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": name,
        "X-Hub-Signature-256": f"sha256={digest}",
        "Content-Type": "application/json",
    }


def slack(secret: str, body: bytes, *, off_seconds: float = 0, kind: str = "application/json") -> dict[str, str]:
    """Return Slack's headers."""
    at = str(int(time.time() + off_seconds))
    digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={digest}", "Content-Type": kind}

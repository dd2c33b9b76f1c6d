"""What a driver says to one of its attempts: somebody wants a run to end that the attempt has started."""

from __future__ import annotations

import msgspec


class CancelInside(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks for the end of a run, or of one of its tasks.

    Parameters
    ----------
    task_run_id
        None for the whole run.
    actor
        Who asks.
    """

    run_id: str
    task_run_id: str | None
    actor: str


def encode_cancel(asked: CancelInside) -> bytes:
    """Return it as it travels."""
    return msgspec.msgpack.encode(asked)


def decode_cancel(word: bytes) -> CancelInside:
    """Return what :func:`encode_cancel` wrote."""
    return msgspec.msgpack.decode(word, type=CancelInside)

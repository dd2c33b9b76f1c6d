"""What transactions ask their driver about results that wait for the commit: parts of the unions in ``questions``."""

from __future__ import annotations

import msgspec

from orchestra_nb.model.staged_results import StagedResult


class StageResult(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Keeps a result back until its transaction is committed: ``DoneAnswer``. Its claim on the key stays."""

    result: StagedResult


class FindStaged(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks what these transactions have staged: :class:`StagedAnswer`.

    Parameters
    ----------
    key
        Only for this cache key; None for all.
    """

    staging_ids: tuple[str, ...]
    key: str | None = None


class StagedAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """What was staged."""

    results: tuple[StagedResult, ...] = ()


class HasStagedClaims(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Asks whether others may wait for these transactions: ``DoneAnswer``, by ``has_changed``."""

    staging_ids: tuple[str, ...]


class RenewStaged(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Keeps the claims of what these transactions have staged for longer: ``DoneAnswer``."""

    staging_ids: tuple[str, ...]
    lease_seconds: float


class CommitStaged(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Lets everybody find what these transactions have staged, all at once: ``DoneAnswer``."""

    staging_ids: tuple[str, ...]


class DropStaged(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """Forgets what a transaction has staged: :class:`StagedAnswer`, whose files may be deleted.

    Parameters
    ----------
    keys
        Only these; None for all.
    """

    staging_id: str
    keys: tuple[str, ...] | None = None

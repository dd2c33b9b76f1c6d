"""A result that waits for the commit of its transaction: written already, and not yet found by anybody outside."""

from __future__ import annotations

import msgspec

from orchestra_nb.model.result_reference import ResultReference


class StagedResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one call in a transaction has made.

    Parameters
    ----------
    staging_id
        Of the transaction.
    key
        The cache key.
    reference
        Where the result is for now.
    final_url
        Where it will be.
    holder
        Who has the claim on the key until the end of the transaction; None where there is no claim.
    key_storage
        Where its policy keeps keys; None for the store.
    """

    staging_id: str
    key: str
    task_name: str
    reference: ResultReference
    final_url: str
    holder: str | None = None
    key_storage: str | None = None

    @property
    def published(self) -> ResultReference:
        """Where the result is once it is committed."""
        return msgspec.structs.replace(self.reference, url=self.final_url)

"""What runs share, as the commands see it over a server: variables, secrets, limits, artifacts, events, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.cli.remote.whole_lists import whole_list
from orchestra_nb.errors import TokenNotFound, VariableNotFound
from orchestra_nb.model.api_tokens import Scope
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.settings import SecretKeyPlace

if TYPE_CHECKING:
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.model.api_tokens import ApiToken
    from orchestra_nb.model.artifacts import StoredArtifact
    from orchestra_nb.model.assets import AssetState
    from orchestra_nb.model.custom_events import CustomEvent
    from orchestra_nb.model.limits import ConcurrencyLimit, LimitState
    from orchestra_nb.model.variables import StoredSecret, StoredVariable
    from orchestra_nb.operations.kept_artifacts import AssetDetails
    from orchestra_nb.operations.run_statistics import StatisticsReport

_DAY_SECONDS = 86_400


def list_variables(client: Client) -> list[StoredVariable]:
    """Return all variables by name."""
    return whole_list(client.list_variables, "variables")


def get_variable(client: Client, name: str) -> StoredVariable:
    """Return a variable."""
    return client.get_variable(name)


def set_variable(
    client: Client, name: str, value: object, *, tags: Sequence[str], may_overwrite: bool, now: datetime
) -> StoredVariable:
    """Set a variable."""
    return client.set_variable(name, value=value, tags=tags, overwrite=may_overwrite)


def unset_variable(client: Client, name: str) -> bool:
    """Delete a variable; tell whether there was one."""
    try:
        client.unset_variable(name)
    except VariableNotFound:
        return False
    return True


def list_secrets(client: Client) -> list[StoredSecret]:
    """Return all secrets by name, without their values."""
    return whole_list(client.list_secrets, "secrets")


def set_secret(client: Client, name: str, secret: Secret, key_place: SecretKeyPlace, now: datetime) -> bool:
    """Set a secret; tell whether it is new. It is encrypted at the server."""
    return client.set_secret(name, value=secret.get()).is_new


def unset_secret(client: Client, name: str) -> None:
    """Delete a secret."""
    client.unset_secret(name)


def list_limits(client: Client, now: datetime) -> list[LimitState]:
    """Return all limits by name, with who holds their slots."""
    return whole_list(client.list_limits, "limits")


def create_limit(client: Client, limit: ConcurrencyLimit, now: datetime) -> None:
    """Make a limit."""
    client.create_limit(
        name=limit.name,
        limit=limit.limit,
        slot_decay_per_second=limit.slot_decay_per_second,
        is_active=limit.is_active,
    )


def update_limit(
    client: Client,
    name: str,
    now: datetime,
    *,
    limit: int | None = None,
    slot_decay_per_second: float | None = None,
    is_active: bool | None = None,
) -> ConcurrencyLimit:
    """Change a limit."""
    return client.update_limit(name, limit=limit, slot_decay_per_second=slot_decay_per_second, is_active=is_active)


def delete_limit(client: Client, name: str, *, is_forced: bool = False) -> None:
    """Delete a limit."""
    client.delete_limit(name, force=is_forced)


def list_artifacts(
    client: Client, *, run: str | None = None, before: str | None = None, limit: int = 50
) -> list[StoredArtifact]:
    """Return artifacts, the newest first."""
    return whole_list(client.list_artifacts, "artifacts", cursor="before", limit=limit, run=run)


def show_artifact(client: Client, id_or_key: str, version: int | None = None) -> StoredArtifact:
    """Return an artifact."""
    return client.show_artifact(id_or_key, version=version)


def list_assets(client: Client) -> list[AssetState]:
    """Return all assets by key."""
    return whole_list(client.list_assets, "assets")


def show_asset(client: Client, key: str, depth: int | None = None) -> AssetDetails:
    """Return an asset with its lineage."""
    return client.show_asset(key=key, depth=depth)


def list_emitted_events(
    client: Client,
    *,
    event: str | None = None,
    resource: str | None = None,
    run: str | None = None,
    since: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[CustomEvent]:
    """Return events, the newest first."""
    filters = {"event": event, "resource": resource, "run": run, "since": since}
    return whole_list(client.list_events, "events", cursor="before", limit=limit, **filters)


def run_statistics(
    client: Client, name: str | None = None, *, now: datetime, since: datetime | None = None, has_tasks: bool = False
) -> StatisticsReport:
    """Return how flows, deployments and tasks have done."""
    return client.read_statistics(name=name, since=since, tasks=has_tasks)


def create_token(
    client: Client,
    name: str,
    scopes: Sequence[str],
    *,
    expires_at: datetime | None,
    actor: str,
    now: datetime,
    owner: str | None = None,
) -> tuple[ApiToken, Secret]:
    """Make a token; return it with its text."""
    days = None if expires_at is None else (expires_at - now).total_seconds() / _DAY_SECONDS
    made = client.create_token(name=name, scopes=scopes, days=days, owner=owner)
    return made.token, Secret(made.text)


def absent_pools(client: Client, token: ApiToken) -> list[str]:
    """Return the pools that a token may serve and that are not there."""
    named = [scope.partition(":")[2] for scope in token.scopes if scope.startswith(f"{Scope.WORKER}:")]
    known = {pool.name for pool in whole_list(client.list_pools, "pools")} if named else set()
    return [pool for pool in named if pool not in known]


def list_tokens(client: Client, *, has_revoked: bool = False) -> list[ApiToken]:
    """Return the tokens by name."""
    return whole_list(client.list_tokens, "tokens", revoked=has_revoked)


def revoke_token(client: Client, name: str, *, actor: str, now: datetime) -> ApiToken:
    """Have a token open nothing from now on; return it as it was."""
    revoked = client.revoke_token(name)
    for token in list_tokens(client, has_revoked=True):
        if token.token_id == revoked.token_id:
            return token
    raise TokenNotFound(f"The token {revoked.revoked!r} is no more.")

"""What a command does its work with: the configured store, or a server that has another one.

A command names each operation by the function that does it on a store. Over a server its counterpart of the same name,
in :mod:`orchestra_nb.cli.remote`, asks for the same over the REST API: a command, and what it prints, is written once.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from orchestra_nb.errors import InvalidInput, OrchestraError, ScopeMissing, TokenRefused

if TYPE_CHECKING:
    from orchestra_nb.cli.server_choice import Server
    from orchestra_nb.client.http_client import Client
    from orchestra_nb.store.run_store import RunStore

P = ParamSpec("P")
R = TypeVar("R")


class Backend:
    """The store, or the client of a server.

    Parameters
    ----------
    store, client
        One of them.
    """

    def __init__(self, *, store: RunStore | None = None, client: Client | None = None) -> None:
        self._store = store
        self._client = client

    @property
    def is_remote(self) -> bool:
        """Whether it is a server."""
        return self._client is not None

    @property
    def store(self) -> RunStore:
        """The store, for what only a command of its machine does."""
        assert self._store is not None, "there is a server in place of a store"
        return self._store

    @property
    def client(self) -> Client:
        """The client, for what only a server is asked."""
        assert self._client is not None, "there is a store in place of a server"
        return self._client

    def call(self, operation: Callable[Concatenate[RunStore, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what an operation returns; over a server that which the commands use of it.

        Parameters
        ----------
        operation
            A function of a module; its first parameter is the store.

        Raises
        ------
        InvalidInput
            It can only be done on the store.
        """
        if self._client is None:
            return operation(self.store, *args, **kwargs)
        remote: Callable[..., R] = remote_counterpart(operation)
        return remote(self._client, *args, **kwargs)


@contextlib.contextmanager
def opened_backend(is_lasting: bool = False) -> Iterator[Backend]:
    """Open what the command works with; a lasting one also looks for lost runs meanwhile, where it is the store."""
    from orchestra_nb.cli.opened_store import open_for_command
    from orchestra_nb.cli.server_choice import chosen_server
    from orchestra_nb.settings import load_settings

    settings = load_settings()
    server = chosen_server(settings)
    if server is None:
        with open_for_command(settings, is_lasting) as store:
            yield Backend(store=store)
        return
    with connected(server) as client:
        yield Backend(client=client)


@contextlib.contextmanager
def connected(server: Server) -> Iterator[Client]:
    """Connect to a server; errors say with which token, and whether the versions differ."""
    from orchestra_nb.client.http_client import Client

    with Client(server.url, server.token.get()) as client:
        try:
            yield client
        except (TokenRefused, ScopeMissing) as error:
            raise type(error)(_refusal(error, server)) from None
        except OrchestraError as error:
            if not (hint := client.version_hint(error)):
                raise
            raise type(error)(f"{error} {hint}") from None


def remote_counterpart(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return what asks a server for an operation.

    Raises
    ------
    InvalidInput
        Nothing does.
    """
    from orchestra_nb.cli.remote.counterparts import MODULES

    name = MODULES.get(operation.__module__)
    remote = None if name is None else getattr(importlib.import_module(name), operation.__name__, None)
    if remote is None:
        raise InvalidInput(
            f"This works on a store itself, and not over a server ({operation.__name__}). Run it on the machine where "
            "that store is."
        )
    found: Callable[..., Any] = remote
    return found


def _refusal(error: OrchestraError, server: Server) -> str:
    """Return what a server said of a token, with which one it was sent and how another one is made."""
    if not server.token.get():
        sent = "No token was sent: give one with --token-file, ORCHESTRA_API_TOKEN or the setting api_token."
    else:
        sent = f"Sent was the token {server.token_source}."
    scope = "runs:read" if isinstance(error, TokenRefused) or not server.token.get() else "SCOPE"
    return (
        f"{error} {sent} Where the server's store is, `orchestra tokens create --name NAME --scope {scope}` makes one."
    )

"""A typed client of the REST API: what can be asked and done at a server, from any Python program."""

from orchestra_nb.client.http_client import Client

__all__ = ["Client"]

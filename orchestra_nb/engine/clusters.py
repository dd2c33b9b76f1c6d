"""Which Dask cluster is meant: the local one, one at an address, or one made from a class and its arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestra_nb.errors import InvalidSetting

#: Schemes of Dask addresses that can be connected to.
_SCHEMES = ("tcp://", "tls://", "ws://", "wss://", "ucx://", "inproc://")

#: The thread in which an executor talks to its cluster.
THREAD_NAME = "orchestra-dask"

FORMS = (
    'Write "local", an address such as tcp://10.0.0.1:8786, or a class with its arguments such as '
    '{"class": "dask_jobqueue.SLURMCluster", "cores": 4}.'
)


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster as somebody asked for it.

    Parameters
    ----------
    kind
        ``local``; ``address``: ``target`` is the address; ``class``: ``target`` is the class's dotted path.
    arguments
        Keyword arguments for the class.
    """

    kind: Literal["local", "address", "class"]
    target: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Where it is, in people's words."""
        return "local cluster" if self.kind == "local" else self.target


def parse_cluster(cluster: str | Mapping[str, object]) -> ClusterSpec:
    """Read the setting ``cluster``: a name, an address, a mapping, or the text of one in JSON or YAML.

    Raises
    ------
    InvalidSetting
        It is none of these; the message shows the forms.

    Examples
    --------
    >>> parse_cluster("tcp://10.0.0.1:8786").kind
    'address'
    >>> parse_cluster('{class: dask.distributed.LocalCluster, n_workers: 1}').arguments
    {'n_workers': 1}
    """
    if isinstance(cluster, Mapping):
        return _from_mapping(cluster)
    text = cluster.strip()
    if text in ("local", ""):
        return ClusterSpec("local")
    if text.startswith(_SCHEMES):
        return ClusterSpec("address", text.rstrip("/"))
    content = _read_mapping(text)
    if content is None:
        host, _, port = text.rpartition(":")
        remedy = f" Did you mean tcp://{text}?" if host and port.isdigit() else ""
        raise InvalidSetting(f"{text!r} names no cluster.{remedy} {FORMS}")
    return _from_mapping(content)


def _read_mapping(text: str) -> Mapping[str, object] | None:
    try:
        content = json.loads(text)
    except ValueError:
        import yaml

        try:
            content = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # a date that there is none of, too
            return None
    return content if isinstance(content, Mapping) else None


def _from_mapping(content: Mapping[str, object]) -> ClusterSpec:
    arguments = dict(content)
    path = arguments.pop("class", None)
    if not isinstance(path, str) or "." not in path:
        raise InvalidSetting(
            f"A mapping of {', '.join(map(str, content)) or 'nothing'} names no cluster: "
            f"it needs a dotted path under 'class'. {FORMS}"
        )
    return ClusterSpec("class", path, arguments)

"""What a runner asks code of ours in its kernel, and how that answers: without a cell, an output or a number.

Jupyter evaluates ``user_expressions`` beside code that may be empty, and sends what they show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestra_nb.notebooks.kernel_client import KernelClient

_MIME_TYPE = "application/vnd.orchestra.step+json"


class Answer:
    """A value of JSON's types that the kernel gives to whoever asked (:func:`ask_kernel`)."""

    def __init__(self, content: object) -> None:
        self._content = content

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return {_MIME_TYPE: self._content, "text/plain": ""}


class KernelCannot(Exception):
    """The kernel could not do what it was asked: it has no Orchestra NB, or a defect shows itself."""


async def ask_kernel(
    client: KernelClient, module: str, call: str, on_sent: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Call a function in the kernel that returns an :class:`Answer`, and return its content.

    Parameters
    ----------
    module
        Where the function is: imported there, under no name.
    call
        The call as Python has it, such as ``"step(3)"``.
    on_sent
        Told the id of the message, to which belongs what the function shows.

    Raises
    ------
    KernelCannot
        It raised an exception, or there is no such function.
    """
    expression = f"__import__({module!r}, fromlist=['_']).{call}"
    reply = await client.execute("", silent=True, expressions={"orchestra": expression}, on_sent=on_sent)
    found = reply.get("user_expressions", {}).get("orchestra", {"status": "error", "ename": reply.get("status")})
    if found["status"] != "ok":
        raise KernelCannot(f"{found.get('ename')}: {found.get('evalue', '')}")
    content: dict[str, Any] = found["data"][_MIME_TYPE]
    return content

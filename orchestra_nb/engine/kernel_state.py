"""What a kernel has between two cells, by content: its names, the state of its process, what is replaced in modules.

What is *known* of a name may come from a record, and its value need not be there; what is *live* was looked at.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra_nb.engine.cell_watch import hook_in
from orchestra_nb.engine.module_settings import SETTINGS, settings_after, settings_made
from orchestra_nb.engine.name_contents import NameContent, NameContents, ResourceContents, partners_among
from orchestra_nb.engine.process_resources import (
    PATCHES,
    ModuleWatch,
    Resource,
    put_back,
    resources_of_process,
    states_of,
)
from orchestra_nb.engine.user_modules import UserVariables
from orchestra_nb.errors import ValueNotHashable
from orchestra_nb.model.cell_records import ABSENT, LIVE, RESOURCE, CellRecord, Known, names_after
from orchestra_nb.model.code_encodings import is_users
from orchestra_nb.model.fingerprints import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a cell has changed.

    Parameters
    ----------
    contents
        All names after it.
    changed
        Names and resources whose content is another than before.
    gone
        Names that are no more.
    patches
        Dotted paths of what it replaced in modules.
    modules
        Names of modules of the user's, loaded before, of which variables have changed: no record can give them back.
    settings
        What it set in libraries to the statement that sets it.
    """

    contents: Mapping[str, NameContent]
    changed: frozenset[str]
    gone: frozenset[str]
    patches: Sequence[str]
    modules: Sequence[str]
    settings: Mapping[str, str]


class KernelState:
    """What is known of one kernel. For its main thread.

    Attributes
    ----------
    known
        Name or resource to what is known of it. The dictionary is replaced when a cell has run, never changed by it.
    live
        Name or resource to its content when it was last looked at.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.resources: dict[str, Resource] = {resource.key: resource for resource in resources_of_process()}
        self.known: dict[str, Known] = {}
        self.live: dict[str, str] = {}
        self._at_start = states_of(self.resources.values())
        self._contents = NameContents(namespace)
        self._states = ResourceContents(self.resources.values())
        self._modules = ModuleWatch()
        self._variables = UserVariables()
        hook_in()  # before what is in modules is looked at
        self._modules.look(namespace, is_users)
        self.look_around()

    def look_around(self) -> dict[str, NameContent]:
        """Look at all that is there, make it known and return the names."""
        contents = self._contents.look()
        self._take_contents(contents)
        return contents

    def begin_cell(self) -> None:
        """Look at all that is there before a cell that somebody else runs: what happened since is nobody's."""
        self.look_around()
        self._modules.begin(self.namespace, is_users)
        self._variables.look()
        self._note_patches()

    def meet_modules(self, names: Iterable[str]) -> None:
        """Look at modules that are loaded and that a cell is about to import."""
        self._modules.meet(names, is_users)

    def look_after(self, live_before: Mapping[str, str], source: str) -> Changes:
        """Look at all that is there after a cell, make it known and return what is otherwise.

        Parameters
        ----------
        live_before
            What was live before the cell.
        source
            The cell's.
        """
        self.known = dict(self.known)
        contents = self._contents.look()
        gone = {name for name in live_before if not name.startswith(RESOURCE)} - contents.keys()
        for name in gone:
            self.known.pop(name, None)
            self.live.pop(name, None)
        before = dict(self.live)
        self._take_contents(contents)
        patches = self._modules.look(self.namespace, is_users, is_after_cell=True)
        self._note_patches()
        if settings := settings_made(source, self.namespace):
            before_it = self.known.get(SETTINGS, Known(ABSENT)).content or ABSENT
            self.known[SETTINGS] = Known(settings_after(before_it, settings))
        changed = frozenset(name for name, content in self.live.items() if before.get(name, ABSENT) != content)
        return Changes(
            contents=contents,
            changed=changed,
            gone=frozenset(gone),
            patches=patches,
            modules=self._variables.look(),
            settings=settings,
        )

    def take_loaded(self, loaded: Mapping[str, object]) -> None:
        """Take note of kept values that were loaded into the namespace, and put kept resources back."""
        for key in [name for name in loaded if name.startswith(RESOURCE)]:
            with contextlib.suppress(Exception):  # another version of its package
                self.resources[key].put(loaded[key])
        fresh = self._contents.look(name for name in loaded if not name.startswith(RESOURCE))
        self.live.update({name: content.content for name, content in fresh.items()})
        if loaded:
            self.look_at_process()

    def take_bound(self, names: Collection[str]) -> None:
        """Take note that values which tasks gave have come under these names, or none: no cell has changed them."""
        self.known = dict(self.known)
        contents = self._contents.look(names)
        partners = partners_among(contents)
        for name in names:
            self.known.pop(name, None)
            self.live.pop(name, None)
        for name, content in contents.items():
            self.known[name] = Known(content.content, partners.get(name, frozenset()), content.uses)
            self.live[name] = content.content

    def look_at_process(self) -> None:
        """Look at what imports and loaded values have brought about, which no cell has changed."""
        self.live.update(self._states.look())
        self._modules.look(self.namespace, is_users)
        self._variables.look()

    def take_record(self, record: CellRecord) -> None:
        """Make known what a replayed cell gave; its names are bound when their values are loaded."""
        for name in (*record.deletes, *record.gives):
            if not name.startswith(RESOURCE):
                self.namespace.pop(name, None)
            self.live.pop(name, None)
        self.known = names_after(self.known, record)

    def start_over(self) -> None:
        """Forget all that the notebook made, and put the process back."""
        for name in self._contents.names():
            self.namespace.pop(name, None)
        self.known.clear()
        self.live.clear()
        put_back(self.resources.values(), self._at_start)
        self.look_around()

    def _note_patches(self) -> None:
        self.known.pop(PATCHES, None)
        if self._modules.patches:
            self.known[PATCHES] = Known(_content_of(self._modules.patches))

    def _take_contents(self, contents: Mapping[str, NameContent]) -> None:
        """Make contents known; a value that came from a record keeps the content that it had there."""
        partners = partners_among(contents)
        for name, content in contents.items():
            is_same = self.live.get(name) == content.content and name in self.known
            known = self.known[name].content if is_same else content.content
            self.known[name] = Known(known, partners.get(name, frozenset()), content.uses)
            self.live[name] = content.content
        for key, content_of_resource in self._states.look().items():
            if self.live.get(key) != content_of_resource or key not in self.known:
                self.known[key] = Known(content_of_resource)
            self.live[key] = content_of_resource


def _content_of(value: object) -> str:
    try:
        return fingerprint(value)
    except ValueNotHashable:
        return LIVE + secrets.token_hex(8)

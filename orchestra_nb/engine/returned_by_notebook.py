"""What a notebook run returned, as its caller has it: values by name, each loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestra_nb.engine.value_recording import load_value
from orchestra_nb.model.recorded_values import RecordedValue


class ReturnedValues(Mapping[str, Any]):
    """A mapping of the values that a notebook recorded, in the order of their recording; names are attributes, too.

    A value is loaded when it is first asked for, and kept. It pickles small: what is stored stays where it is.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> returned = ReturnedValues([RecordedValue(run_id="", name="auc", type="float", recorded_at=at, data="0.93")])
    >>> returned.auc, returned["auc"], dict(returned)
    (0.93, 0.93, {'auc': 0.93})
    """

    def __init__(self, records: Iterable[RecordedValue], of: str = "the run") -> None:
        self._records = {record.name: record for record in records}
        self._of = of
        self._loaded: dict[str, Any] = {}

    @property
    def records(self) -> dict[str, RecordedValue]:
        """What is known of each value without loading it."""
        return dict(self._records)

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            record = self._records.get(name)
            if record is None:
                raise KeyError(self._missing(name))
            self._loaded[name] = load_value(record)
        return self._loaded[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # before the attributes are there: while it is unpickled
            raise AttributeError(name)
        if name not in self._records:
            raise AttributeError(self._missing(name))
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._records]

    def __repr__(self) -> str:
        return f"<{', '.join(f'{name}={record.summary}' for name, record in self._records.items()) or 'no values'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return ReturnedValues, (tuple(self._records.values()), self._of)

    def _missing(self, name: str) -> str:
        known = ", ".join(self._records) or "nothing"
        return f"{self._of} returned no {name!r}: it returned {known}. Write record({name}=…) in a cell."

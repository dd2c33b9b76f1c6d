"""Dead letters, as they are kept: each is decided about once. They come in by the event ``DeadLetterAdded``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import RowMapping, func, or_, select, update

from orchestra_nb.errors import Conflict, DeadLetterNotFound
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.notifications import standing_key
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.code_tables import dead_letters
from orchestra_nb.store.database import Database
from orchestra_nb.store.keyset_pages import number_of
from orchestra_nb.store.run_tables import runs
from orchestra_nb.store.stored_records import error_of_value, error_to_value, run_of_row, short_message


class DeadLetterStore:
    """The dead letters of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, id_: str) -> DeadLetter:
        """Return the letter with this id, or the newest of the task run or run with this id.

        Raises
        ------
        DeadLetterNotFound
            There is none.
        """
        of_whole_run = (dead_letters.c.run_id == id_) & dead_letters.c.task_run_id.is_(None)
        query = (
            select(dead_letters)
            .where(or_(dead_letters.c.letter_id == id_, dead_letters.c.task_run_id == id_, of_whole_run))
            .order_by(dead_letters.c.number.desc())
            .limit(1)
        )
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise DeadLetterNotFound(f"No dead letter {id_!r}. `orchestra dead-letters ls` lists them.")
        return _letter_of_row(row)

    def list_letters(
        self,
        *,
        state: LetterState | None = LetterState.OPEN,
        run_id: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[DeadLetter]:
        """Return letters, the newest first; None for those in all states, or of all runs.

        Raises
        ------
        InvalidInput
            There is no letter ``before``, the one with whose id the page before ended.
        """
        query = select(dead_letters).order_by(dead_letters.c.number.desc()).limit(limit)
        if state is not None:
            query = query.where(dead_letters.c.state == state.value)
        if run_id is not None:
            query = query.where(dead_letters.c.run_id == run_id)
        with self._database.connect() as connection:
            if before is not None:
                last = number_of(connection, dead_letters.c.number, dead_letters.c.letter_id, before)
                query = query.where(dead_letters.c.number < last)
            return [_letter_of_row(row) for row in connection.execute(query).mappings()]

    def resolve(self, run: Run, actor: str, at: datetime, note: str) -> list[str]:
        """Close the open letters of earlier runs that a completed run of the same deployment makes up for.

        Earlier is what was due before, with the same given by its schedule, and of the same parameters. Return the
        names of the runs whose letters these are.
        """
        due_at = func.coalesce(runs.c.due_at, runs.c.created_at)
        query = (
            select(dead_letters.c.letter_id, runs)
            .join(runs, runs.c.run_id == dead_letters.c.run_id)
            .where(
                dead_letters.c.state == LetterState.OPEN.value,
                runs.c.deployment == run.deployment,
                runs.c.run_id != run.run_id,
                due_at <= (run.due_at or run.created_at),
            )
        )
        with self._database.connect() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
            found = [(row.pop("letter_id"), run_of_row(row)) for row in rows]
            alike = [
                (letter_id, one)
                for letter_id, one in found
                if standing_key(one) == standing_key(run) and one.parameters == run.parameters
            ]
            closed = {"state": LetterState.RESOLVED.value, "closed_at": at, "closed_by": actor}
            connection.execute(
                update(dead_letters)
                .where(dead_letters.c.letter_id.in_([letter_id for letter_id, _ in alike]))
                .values(note=short_message(note), **closed)
            )
        return list(dict.fromkeys(one.name for _, one in alike))

    def close_retried(self, run_id: str, epoch: int, actor: str, at: datetime, note: str) -> None:
        """Close the open letters of a run, and of its tasks, up to an epoch: it is being retried."""
        self.close_of_run(run_id, epoch, LetterState.RETRIED, actor, at, note)

    def close_of_run(self, run_id: str, epoch: int, state: LetterState, actor: str, at: datetime, note: str) -> None:
        """Close the open letters of a run, and of its tasks, up to an epoch, all as what was decided about the run."""
        of_run = (dead_letters.c.run_id == run_id, dead_letters.c.epoch <= epoch)
        closed = {"state": state.value, "closed_at": at, "closed_by": actor}
        with self._database.write() as connection:
            connection.execute(
                update(dead_letters)
                .where(*of_run, dead_letters.c.state == LetterState.OPEN.value)
                .values(note=short_message(note), **closed)
            )

    def reopen(self, run: Run, closed_at: Collection[datetime]) -> None:
        """Have the letter of a run be open again, if it has one of this epoch: somebody says that the run failed.

        Parameters
        ----------
        closed_at
            Letters of its tasks, and of epochs before, that were closed then are open again, too.
        """
        its_own = dead_letters.c.letter_id == DeadLetter.id_of(run.run_id, None, run.epoch)
        then = (dead_letters.c.run_id == run.run_id) & dead_letters.c.closed_at.in_(closed_at)
        opened = {"state": LetterState.OPEN.value, "closed_at": None, "closed_by": None, "note": ""}
        ended = {"ended_as": run.state.value, "message": short_message(run.message)}
        with self._database.write() as connection:
            connection.execute(update(dead_letters).where(its_own | then).values(opened))
            connection.execute(update(dead_letters).where(its_own).values(ended))

    def close(self, letter_id: str, state: LetterState, actor: str, at: datetime, note: str = "") -> DeadLetter:
        """Write what was decided about an open letter, and return it. Of several who decide at once one succeeds.

        Raises
        ------
        DeadLetterNotFound
            There is none of this id.
        Conflict
            Somebody has decided about it before.
        """
        same = dead_letters.c.letter_id == letter_id
        decision = (
            update(dead_letters)
            .where(same, dead_letters.c.state == LetterState.OPEN.value)
            .values(state=state.value, closed_at=at, closed_by=actor, note=short_message(note))
        )
        with self._database.write() as connection:
            is_decided = connection.execute(decision).rowcount == 1
        letter = self.get(letter_id)
        if not is_decided:
            raise Conflict(
                f"The dead letter {letter.letter_id} was {letter.state.value.lower()} by {letter.closed_by} at "
                f"{letter.closed_at:%Y-%m-%d %H:%M:%S} UTC. Each is decided about once."
            )
        return letter


def letter_to_row(letter: DeadLetter) -> dict[str, object]:
    """Return the row of a letter."""
    return msgspec.structs.asdict(letter) | {
        "letter_id": letter.letter_id,
        "ended_as": letter.ended_as.value,
        "state": letter.state.value,
        "message": short_message(letter.message),
        "error": error_to_value(letter.error),
    }


def _letter_of_row(row: RowMapping) -> DeadLetter:
    fields = {name: row[name] for name in DeadLetter.__struct_fields__}
    return DeadLetter(
        **fields
        | {
            "ended_as": State(row["ended_as"]),
            "state": LetterState(row["state"]),
            "error": error_of_value(row["error"]),
        }
    )

"""Channels and rules of notifications, as they are kept."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from orchestra_nb.acting_user import acting_user, is_acting_alone
from orchestra_nb.errors import Conflict, NameTaken, NotificationNotFound
from orchestra_nb.model.notifications import NotificationRule
from orchestra_nb.model.outbox import Channel
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import changes
from orchestra_nb.store.sealed_text import seal, unseal
from orchestra_nb.store.service_tables import notification_channels, notification_rules, notification_standings


class NotificationStore:
    """The channels and rules of a store. All methods may be called from any thread, and by several processes at once.

    Parameters
    ----------
    key
        A Fernet key (:func:`~orchestra_nb.store.secret_key.load_secret_key`); None for whoever needs no address.
    """

    def __init__(self, database: Database, key: bytes | None = None) -> None:
        self._database = database
        self._key = key

    def set_channel(
        self,
        name: str,
        address: Secret,
        *,
        shown: str,
        may_be_private: bool,
        at: datetime,
        may_overwrite: bool = False,
    ) -> Channel:
        """Make a channel, or give one another address.

        Parameters
        ----------
        shown
            What of the address may be seen.

        Raises
        ------
        NameTaken
            There is one of this name, and it may not be overwritten.
        """
        ciphertext = seal(address, self._key)
        values = {"ciphertext": ciphertext, "shown": shown, "may_be_private": may_be_private, "updated_at": at}
        same = notification_channels.c.name == name
        with self._database.write() as connection:
            if name not in _channel_names(connection):
                connection.execute(insert(notification_channels).values(name=name, created_at=at, **values))
            elif may_overwrite:
                connection.execute(update(notification_channels).where(same).values(values))
            else:
                raise NameTaken(f"There is a channel {name!r} already.")
        return self.get_channel(name)

    def list_channels(self) -> list[Channel]:
        """Return all channels by name, without their addresses."""
        query = select(*_CHANNEL_COLUMNS).order_by(notification_channels.c.name)
        with self._database.connect() as connection:
            return [Channel(**row) for row in connection.execute(query).mappings()]

    def get_channel(self, name: str) -> Channel:
        """Return a channel without its address.

        Raises
        ------
        NotificationNotFound
            There is none of this name.
        """
        with self._database.connect() as connection:
            query = select(*_CHANNEL_COLUMNS).where(notification_channels.c.name == name)
            row = connection.execute(query).mappings().first()
        if row is None:
            raise _no_channel(name)
        return Channel(**row)

    def get_address(self, name: str) -> Secret:
        """Return the address of a channel.

        Raises
        ------
        NotificationNotFound
            There is no channel of this name.
        SecretUnreadable
            It was encrypted with another key.
        """
        with self._database.connect() as connection:
            query = select(notification_channels.c.ciphertext).where(notification_channels.c.name == name)
            ciphertext = connection.execute(query).scalar()
        if ciphertext is None:
            raise _no_channel(name)
        return unseal(ciphertext, self._key, f"address of the channel {name!r}")

    def delete_channel(self, name: str) -> bool:
        """Delete a channel; False when there is none.

        Raises
        ------
        Conflict
            Rules name it.
        """
        with self._database.write() as connection:
            users = [rule.name for rule in _rules(connection) if name in rule.channels]
            if users:
                raise Conflict(f"Rules send to the channel {name!r}: {', '.join(users)}. Delete them first.")
            same = notification_channels.c.name == name
            return connection.execute(delete(notification_channels).where(same)).rowcount == 1

    def add_rule(
        self, rule: NotificationRule, at: datetime, *, may_overwrite: bool = False, keeps_pause: bool = False
    ) -> NotificationRule:
        """Make a rule, which tells of what happens from now on; or have the one of this name be like this.

        One that is there keeps what it knows, how things stood for the runs that it was about, and its owner; a new one
        is of whoever acts alone. Return it as it is kept.

        Parameters
        ----------
        keeps_pause
            Whether one that is there stays paused, or not paused, as it is.

        Raises
        ------
        NameTaken
            There is one of this name, and it may not be overwritten.
        NotificationNotFound
            One of its channels does not exist.
        """
        with self._database.write() as connection:
            known = _channel_names(connection)
            for channel in rule.channels:
                if channel not in known:
                    raise _no_channel(channel)
            present = next((one for one in _rules(connection) if one.name == rule.name), None)
            if present is not None:
                if not may_overwrite:
                    raise NameTaken(f"There is a rule {rule.name!r} already. Delete it first, or choose another name.")
                is_paused = present.is_paused if keeps_pause else rule.is_paused
                rule = msgspec.structs.replace(rule, is_paused=is_paused, owner=present.owner)
                _save_rule(connection, rule)
                return rule
            rule = msgspec.structs.replace(rule, owner=acting_user() if is_acting_alone() else None)
            newest: int = connection.execute(select(func.max(changes.c.sequence))).scalar() or 0
            values = {
                "rule": msgspec.to_builtins(rule),
                "from_sequence": newest,
                "created_at": at,
                "owner": rule.owner,
            }
            connection.execute(insert(notification_rules).values(name=rule.name, **values))
        return rule

    def set_paused(self, name: str, is_paused: bool) -> NotificationRule:
        """Have a rule tell of nothing, or tell again.

        Raises
        ------
        NotificationNotFound
            There is none of this name.
        """
        with self._database.write() as connection:
            present = next((rule for rule in _rules(connection) if rule.name == name), None)
            if present is None:
                raise no_rule(name)
            rule = msgspec.structs.replace(present, is_paused=is_paused)
            _save_rule(connection, rule)
        return rule

    def list_rules(self) -> list[NotificationRule]:
        """Return all rules by name."""
        with self._database.connect() as connection:
            return _rules(connection)

    def delete_rule(self, name: str) -> bool:
        """Delete a rule; False when there is none. What it has put into the outbox is sent nevertheless."""
        with self._database.write() as connection:
            connection.execute(delete(notification_standings).where(notification_standings.c.rule == name))
            same = notification_rules.c.name == name
            return connection.execute(delete(notification_rules).where(same)).rowcount == 1


_CHANNEL_COLUMNS = tuple(notification_channels.c[name] for name in Channel.__struct_fields__)


def _channel_names(connection: Connection) -> set[str]:
    return set(connection.execute(select(notification_channels.c.name)).scalars())


def _rules(connection: Connection) -> list[NotificationRule]:
    query = select(notification_rules.c.rule).order_by(notification_rules.c.name)
    return [msgspec.convert(value, NotificationRule) for value in connection.execute(query).scalars()]


def _save_rule(connection: Connection, rule: NotificationRule) -> None:
    same = notification_rules.c.name == rule.name
    connection.execute(update(notification_rules).where(same).values(rule=msgspec.to_builtins(rule)))


def no_rule(name: str) -> NotificationNotFound:
    """Return what is said where there is no rule of this name."""
    return NotificationNotFound(f"No rule {name!r}. `orchestra notifications rules ls` lists them.")


def _no_channel(name: str) -> NotificationNotFound:
    return NotificationNotFound(f"No channel {name!r}. `orchestra notifications channels ls` lists them.")

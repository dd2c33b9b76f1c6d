"""Profiles: sets of settings with a name, in the user's file of settings, whose comments and order are kept."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.errors import Conflict, InvalidInput, InvalidSetting, NameTaken, ProfileNotFound
from orchestra_nb.model.setting_texts import holds_secret, shown_setting
from orchestra_nb.settings import (
    PROFILE_KEY,
    PROFILES_KEY,
    Settings,
    known_profiles,
    load_settings_with_origins,
    profile_in_use,
    user_settings_file,
)

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile, with what its files say, secrets hidden."""

    name: str
    is_used: bool
    files: tuple[str, ...]
    settings: dict[str, str]


class ProfileUse(msgspec.Struct, frozen=True, kw_only=True):
    """Which profile the user's file names; ``stronger`` is what says otherwise and wins, empty where nothing does."""

    name: str | None
    file: str
    stronger: str = ""


class ShownSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting in force and where it comes from, secrets hidden."""

    name: str
    value: str
    origin: str


def list_profiles() -> tuple[Profile, ...]:
    """Return the profiles of the user's file and of the project's, by name."""
    used = profile_in_use()[0]
    return tuple(
        Profile(
            name=name,
            is_used=name == used,
            files=tuple(files),
            settings={
                setting: shown_setting(setting, value) for values in files.values() for setting, value in values.items()
            },
        )
        for name, files in known_profiles().items()
    )


def create_profile(name: str, values: Mapping[str, str], *, like: str | None = None) -> Path:
    """Write a new profile into the user's file, and return the file.

    Parameters
    ----------
    values
        Setting to its text.
    like
        A profile whose settings it begins with.

    Raises
    ------
    InvalidInput
        The name is none, or a setting is not known or has the wrong form.
    NameTaken
        There is one of this name.
    ProfileNotFound
        There is none that it could begin with.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name of a profile: letters, digits, '-', '_' and '.', 64 at most.")
    known = known_profiles()
    if name in known:
        raise NameTaken(f"There is a profile {name!r} already. `orchestra profile set --profile {name}` changes it.")
    wanted: dict[str, object] = {}
    if like is not None:
        _require(like)
        for of_file in known[like].values():
            wanted |= of_file
    return _change(name, wanted | _converted(values))


def set_in_profile(name: str | None, values: Mapping[str, str]) -> Path:
    """Set settings in a profile of the user's file, None for those that all profiles share; return the file.

    Raises
    ------
    InvalidInput
        A setting is not known or has the wrong form; nothing is written.
    ProfileNotFound
        There is no such profile.
    """
    if name is not None:
        _require(name)
    return _change(name, _converted(values))


def unset_in_profile(name: str | None, settings: tuple[str, ...]) -> Path:
    """Remove settings from a profile of the user's file, None for those that all profiles share; return the file.

    Raises
    ------
    InvalidInput
        One of them is no setting.
    Conflict
        One of them is not set there; nothing is written.
    ProfileNotFound
        There is no such profile.
    """
    if name is not None:
        _require(name)
    path = user_settings_file()
    document = _read(path)
    table = _table(document, name)
    for setting in settings:
        _check_name(setting)
        if setting not in table:
            raise Conflict(f"{setting} is not set in {_where(name)} of {path}. `orchestra profile show` tells where.")
        del table[setting]
    _write(path, document, is_private=False)
    return path


def use_profile(name: str | None) -> ProfileUse:
    """Have a profile used from now on by everything of this user, None for no profile.

    Raises
    ------
    ProfileNotFound
        There is no such profile.
    """
    if name is not None:
        _require(name)
    path = user_settings_file()
    document = _read(path)
    if name is not None:
        document = _put(document, PROFILE_KEY, name)
    elif PROFILE_KEY in document:
        del document[PROFILE_KEY]
    _write(path, document, is_private=False)
    used, said_by = profile_in_use()
    is_otherwise = used != (name or "")
    return ProfileUse(name=name, file=str(path), stronger=said_by if is_otherwise else "")


def show_settings(name: str | None = None) -> tuple[ShownSetting, ...]:
    """Return the settings in force, or those that would be with this profile, where each comes from.

    Raises
    ------
    ProfileNotFound
        There is no such profile.
    InvalidSetting
        The settings are not in order.
    """
    environ = dict(os.environ)
    if name is not None:
        _require(name)
        environ["ORCHESTRA_PROFILE"] = name
    settings, origins = load_settings_with_origins(environ=environ)
    return tuple(
        ShownSetting(name=field, value=shown_setting(field, getattr(settings, field)), origin=origin)
        for field, origin in origins.items()
    )


def _require(name: str) -> None:
    known = known_profiles()
    if name not in known:
        names = ", ".join(known) or "none"
        raise ProfileNotFound(f"No profile {name!r}. The profiles are: {names}. `orchestra profile create` makes one.")


def _converted(values: Mapping[str, str]) -> dict[str, object]:
    """Return the values as their settings have them."""
    for setting in values:
        _check_name(setting)
    try:
        settings = msgspec.convert(dict(values), Settings, strict=False)
    except msgspec.ValidationError as error:
        wrong = next((name for name in values if f"`$.{name}`" in str(error)), "A setting")
        raise InvalidSetting(f"{wrong}: {error}") from None
    if values.get("store_url"):
        from orchestra_nb.store.database import parse_store_url

        parse_store_url(values["store_url"])
    return {name: getattr(settings, name) for name in values}


def _check_name(setting: str) -> None:
    if setting not in Settings.__struct_fields__:
        raise InvalidSetting(f"Unknown setting {setting!r}. The settings are: {', '.join(Settings.__struct_fields__)}.")


def _change(name: str | None, values: Mapping[str, object]) -> Path:
    path = user_settings_file()
    document = _read(path)
    table = _table(document, name)
    for setting, value in values.items():
        if name is None:
            document = _put(document, setting, value)
        else:
            table[setting] = value
    _write(path, document, is_private=any(holds_secret(*item) for item in values.items()))
    return path


def _put(document: TOMLDocument, key: str, value: object) -> TOMLDocument:
    """Return a file with a key at its top; a new one stands before the first table and the comment above that."""
    import tomlkit
    from tomlkit.exceptions import ParseError

    is_new = key not in document
    lines = tomlkit.dumps(document).splitlines(keepends=True)
    document[key] = value
    if not is_new:
        return document
    place = next((number for number, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    while 0 < place < len(lines) and lines[place - 1].lstrip().startswith("#"):
        place -= 1
    head, rest = "".join(lines[:place]).rstrip("\n"), "".join(lines[place:])
    text = (
        (f"{head}\n" if head else "") + f"{key} = {tomlkit.item(value).as_string()}\n" + (f"\n{rest}" if rest else "")
    )
    try:
        placed = tomlkit.parse(text)
    except ParseError:  # what looked like a table was a part of a text
        return document
    return placed if placed.unwrap() == document.unwrap() else document


def _table(document: TOMLDocument, name: str | None) -> Any:
    """Return the table of a profile, a new one where there is none; None for the top."""
    import tomlkit

    if name is None:
        return document
    if PROFILES_KEY not in document:
        document[PROFILES_KEY] = tomlkit.table(is_super_table=True)
    profiles: Any = document[PROFILES_KEY]
    if name not in profiles:
        profiles[name] = tomlkit.table()
    return profiles[name]


def _where(name: str | None) -> str:
    return "the common settings" if name is None else f"the profile {name!r}"


def _read(path: Path) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import ParseError

    try:
        return tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    except (ParseError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path} is no valid TOML: {error}") from None


def _write(path: Path, document: TOMLDocument, *, is_private: bool) -> None:
    """Write the file at once and whole; a new one, and one with a secret, is for this user alone."""
    import tomlkit

    path = path.resolve()  # it may be a link into somebody's collection of settings
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = 0o600 if is_private or not path.exists() else path.stat().st_mode & 0o777
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(tomlkit.dumps(document))
        temporary.chmod(mode)
        os.replace(temporary, path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        temporary.unlink(missing_ok=True)

"""Typed settings, each with where its value came from.

From strong to weak: what the caller overrides (a command's flag, a traitlet), the environment (``ORCHESTRA_*``), the
project's ``orchestra.toml`` in the working folder or above it, the user's ``orchestra.toml`` in Jupyter's configuration
folder, what a JupyterHub says of itself, the default. In a file the settings of a profile stand under
``[profiles.NAME]`` and win over those at the top; ``ORCHESTRA_PROFILE`` chooses the profile, or else ``profile =
"NAME"`` at the top of one of the files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from orchestra_nb.errors import InvalidSetting

_PREFIX = "ORCHESTRA_"
_FILE = "orchestra.toml"
_PROFILE_VARIABLE = f"{_PREFIX}PROFILE"


#: What names the profile at the top of a file.
PROFILE_KEY: Final = "profile"
#: Under what profiles stand in a file.
PROFILES_KEY: Final = "profiles"


#: Where the key that encrypts secrets is kept.
SecretBackend = Literal["file", "keyring", "environment"]


class SecretKeyPlace(msgspec.Struct, frozen=True):
    """Where the key that encrypts secrets is kept.

    Parameters
    ----------
    file
        The file with the key; where the key is elsewhere, the one that had it before, if there is one.
    """

    file: Path
    backend: SecretBackend = "file"


#: Where others reach this server, as a JupyterHub says that was told its own address (``JupyterHub.public_url``).
_HUB_URL: Final = "JUPYTERHUB_PUBLIC_URL"

#: Where pages are, or nothing.
PagesUrl = Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s/]+\S*)?$")]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings.

    Parameters
    ----------
    store_url
        SQLAlchemy URL of the store; empty means SQLite at :func:`default_store_path`.
    cluster
        ``"local"``, an address (``tcp://``, ``tls://``), or a mapping as JSON or YAML with ``class`` and its arguments.
    cluster_workers
        Worker processes of the local cluster; 0 means one for each core.
    cluster_idle_seconds
        How long the local cluster lives without a client.
    cluster_fork
        Whether workers of the local cluster are forked from a process that has imported Dask, where that is possible.
    kernel_fork
        Whether kernels of notebooks are forked from a process that has imported IPython, where that is possible.
    kernel_spares
        How many kernels of a kind are kept ready in a process that has run a second notebook.
    kernel_idle_seconds
        How long the process that kernels are forked from lives, with its spares, when no kernel is asked for.
    kernel_preload
        Modules that are imported before kernels are forked, with commas between them: ``"numpy,pandas"``.
    task_runner
        Where flows that name no task runner run submitted tasks: ``"dask"`` or ``"threads"``.
    heartbeat_seconds, lease_seconds, sweep_seconds
        How often a driver renews its lease, how long a lease holds, how often expired leases are looked for.
    service_pools
        The pools whose runs a service starts, with commas between them.
    service_runs
        How many runs of deployments a service has going on at a time; 0 means two for each core.
    pages_url
        Where readers of messages reach the pages, ``"https://host/orchestra/"``: links begin so. Empty for no links.
    flow_start_seconds
        How long the process of a deployed flow may take until it begins.
    logging_level
        The least level of the lines of runs' logs that are shown on the console; the logs themselves have all.
    cell_cache_bytes
        How much ``orchestra run --cache`` may keep of cells; what was not used for longest is deleted.
    keep_runs_days
        How many days after their end runs are kept, with all that belongs to them; 0 means for ever.
    keep_logs_days
        How many days log lines are kept; 0 means as long as their run.
    keep_results_days
        How many days results in the cache are kept that have no end of their own; 0 means for ever.
    keep_audit_days
        How many days entries of the audit trail are kept; 0 means for ever.
    secret_backend
        Where the key is that encrypts secrets: ``"file"``, the system's ``"keyring"``, or the ``"environment"``, in
        ``ORCHESTRA_SECRET_KEY``.
    secret_key_file
        The file with that key; empty means ``secret.key`` beside the default store.
    api_url
        The server whose store the command line works on, over its REST API; empty for the store of ``store_url``.
    api_token
        The token for that server.
    """

    store_url: str = ""
    cluster: str = "local"
    cluster_workers: int = 0
    cluster_idle_seconds: float = 600.0
    cluster_fork: bool = True
    kernel_fork: bool = True
    kernel_spares: int = 1
    kernel_idle_seconds: float = 600.0
    kernel_preload: str = ""
    task_runner: str = "dask"
    heartbeat_seconds: float = 5.0
    lease_seconds: float = 15.0
    sweep_seconds: float = 5.0
    service_pools: str = "default"
    service_runs: int = 0
    pages_url: PagesUrl = ""
    flow_start_seconds: float = 120.0
    logging_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    cell_cache_bytes: int = 10_000_000_000
    keep_runs_days: float = 90.0
    keep_logs_days: float = 30.0
    keep_results_days: float = 365.0
    keep_audit_days: float = 730.0
    secret_backend: SecretBackend = "file"
    secret_key_file: str = ""
    api_url: str = ""
    api_token: str = ""

    @property
    def resolved_store_url(self) -> str:
        """The store's URL, with the default filled in."""
        return self.store_url or f"sqlite:///{default_store_path()}"

    @property
    def secret_key_place(self) -> SecretKeyPlace:
        """Where the key of the secrets is, with the default filled in."""
        chosen = self.secret_key_file
        file = Path(chosen).expanduser() if chosen else default_store_path().with_name("secret.key")
        return SecretKeyPlace(file, self.secret_backend)


def load_settings(overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in force.

    Raises
    ------
    InvalidSetting
        A name is unknown, a value has the wrong form, or a file is no TOML; the message says where it stands.
    """
    return load_settings_with_origins(overrides, environ)[0]


def load_settings_with_origins(
    overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Settings, dict[str, str]]:
    """Return the settings in force, and for each name where its value came from."""
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    origins = dict.fromkeys(Settings.__struct_fields__, "default")
    for origin, layer in _layers(environ, overrides or {}):
        for name, value in layer.items():
            if name not in origins:
                known = ", ".join(sorted(origins))
                raise InvalidSetting(f"Unknown setting {name!r} in {origin}. The settings are: {known}.")
            values[name] = value
            origins[name] = origin
    try:
        return msgspec.convert(values, Settings, strict=False), origins
    except msgspec.ValidationError as error:
        wrong = next((name for name in values if f"`$.{name}`" in str(error)), None)
        where = f"{wrong} = {values[wrong]!r} in {origins[wrong]}" if wrong else "settings"
        raise InvalidSetting(f"{where}: {error}") from None


def profile_in_use(environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return the name of the profile in use, and where that is said; two empty texts for none.

    Raises
    ------
    InvalidSetting
        A file is no TOML, or names the profile by something else than a text.
    """
    environ = os.environ if environ is None else environ
    return _profile_of(environ, _files(environ))


def known_profiles(environ: Mapping[str, str] | None = None) -> dict[str, dict[str, Mapping[str, object]]]:
    """Return profile to file to what the file says under it, by name."""
    known: dict[str, dict[str, Mapping[str, object]]] = {}
    for origin, content in _files(os.environ if environ is None else environ):
        for name, values in _profiles(content).items():
            known.setdefault(name, {})[origin] = values
    return dict(sorted(known.items()))


def user_settings_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return the user's own file of settings, which may not exist."""
    folder = (os.environ if environ is None else environ).get("JUPYTER_CONFIG_DIR")
    return Path(folder) / _FILE if folder else Path.home() / ".jupyter" / _FILE


def _layers(environ: Mapping[str, str], overrides: Mapping[str, object]) -> list[tuple[str, Mapping[str, object]]]:
    """Return (origin, values) from weak to strong."""
    layers: list[tuple[str, Mapping[str, object]]] = []
    if public := environ.get(_HUB_URL):
        layers.append((_HUB_URL, {"pages_url": f"{public.rstrip('/')}/orchestra/"}))
    contents = _files(environ)
    profile, said_by = _profile_of(environ, contents)
    seen_profile = not profile
    for origin, content in contents:
        layers.append((origin, {name: content[name] for name in content if name not in (PROFILE_KEY, PROFILES_KEY)}))
        if profile and profile in (profiles := _profiles(content)):
            layers.append((f"{origin}, profile {profile}", profiles[profile]))
            seen_profile = True
    if not seen_profile:
        raise InvalidSetting(
            f"No profile {profile!r}, which {said_by} asks for. Run `orchestra profile create {profile}`, or "
            f"{'unset ORCHESTRA_PROFILE' if said_by == _PROFILE_VARIABLE else '`orchestra profile use --none`'}."
        )
    for name in Settings.__struct_fields__:
        variable = _PREFIX + name.upper()
        if variable in environ:
            layers.append((variable, {name: environ[variable]}))
    layers.append(("the command", overrides))
    return layers


def _files(environ: Mapping[str, str]) -> list[tuple[str, dict[str, object]]]:
    """Return (file, content) of the files of settings, from weak to strong."""
    paths = (user_settings_file(environ), _project_file(Path.cwd()))
    return [(str(path), _read_toml(path)) for path in paths if path is not None and path.is_file()]


def _profile_of(environ: Mapping[str, str], contents: Sequence[tuple[str, dict[str, object]]]) -> tuple[str, str]:
    if _PROFILE_VARIABLE in environ:  # an empty one means none
        name = environ[_PROFILE_VARIABLE]
        return name, _PROFILE_VARIABLE if name else ""
    for origin, content in reversed(contents):
        if (said := content.get(PROFILE_KEY)) is not None:
            if not isinstance(said, str):
                raise InvalidSetting(f"profile = {said!r} in {origin} is no name of a profile.")
            return said, origin if said else ""
    return "", ""


def _profiles(content: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    profiles = content.get(PROFILES_KEY, {})
    if not isinstance(profiles, Mapping):
        return {}
    return {name: values for name, values in profiles.items() if isinstance(values, Mapping)}


def _read_toml(path: Path) -> dict[str, object]:
    import tomllib  # only where a file exists

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path} is no valid TOML: {error}") from None


def _project_file(start: Path) -> Path | None:
    return next((folder / _FILE for folder in (start, *start.parents) if (folder / _FILE).is_file()), None)


def default_store_path() -> Path:
    """Return where the SQLite store stands when no URL is set: Jupyter's data folder, without importing Jupyter."""
    folder = os.environ.get("JUPYTER_DATA_DIR")
    if folder:
        return Path(folder) / "orchestra" / "orchestra.db"
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "orchestra" / "orchestra.db"

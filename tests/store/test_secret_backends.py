"""The key of the secrets in a real keyring, and in the environment; typed as its user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestra_nb.errors import InvalidSetting, StoreUnavailable
from orchestra_nb.settings import SecretKeyPlace
from orchestra_nb.store.secret_key import KEY_VARIABLE, load_secret_key
from tests.patience import PATIENCE_SECONDS

_FILES = "keyrings.alt.file.PlaintextKeyring"


class Shell:
    """Runs commands in an environment with a keyring of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "ORCHESTRA_STORE_URL": f"sqlite:///{folder / 'orchestra.db'}",
            "ORCHESTRA_SECRET_BACKEND": "keyring",
            "PYTHON_KEYRING_BACKEND": _FILES,
            "XDG_DATA_HOME": str(folder / "rings"),
        }

    def run(self, *words: str, stdin: str = "", **variables: str) -> tuple[int, str]:
        """Return exit code and output of a command of Python's."""
        done = subprocess.run(
            [sys.executable, *words],
            env=self.environ | variables,
            cwd=self.folder,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return done.returncode, done.stdout

    def orchestra(self, *words: str, stdin: str = "", **variables: str) -> tuple[int, str]:
        return self.run("-m", "orchestra_nb", *words, stdin=stdin, **variables)

    def read(self, name: str, **variables: str) -> str:
        code = f"from orchestra_nb.variables import get_secret; print(get_secret({name!r}).get())"
        return self.run("-c", code, **variables)[1].strip().splitlines()[-1]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_the_key_goes_into_the_keyring_with_what_a_file_had_encrypted_before(shell: Shell) -> None:
    file = shell.folder / "data" / "orchestra" / "secret.key"
    before = shell.orchestra("secrets", "set", "old", stdin="from-file", ORCHESTRA_SECRET_BACKEND="file")
    after = shell.orchestra("secrets", "set", "new", stdin="from-keyring")
    file.unlink()

    read = [shell.read("old"), shell.read("new")]
    ring = shell.folder / "rings" / "python_keyring" / "keyring_pass.cfg"

    assert [code for code, _ in (before, after)] == [0, 0]
    assert read == ["from-file", "from-keyring"]
    assert "orchestra" in ring.read_text()
    assert not file.exists()


def test_what_is_missing_is_said_with_its_remedy(shell: Shell) -> None:
    none = shell.orchestra("secrets", "set", "x", stdin="1", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    null = shell.orchestra("secrets", "set", "x", stdin="1", PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring")
    (shell.folder / "keyring.py").write_text("raise ImportError('no keyring')")
    absent = shell.orchestra("secrets", "set", "x", stdin="1")
    wrong = shell.orchestra("secrets", "set", "x", stdin="1", ORCHESTRA_SECRET_BACKEND="vault")

    assert [code for code, _ in (none, null, absent, wrong)] == [2, 2, 2, 2]
    assert "There is no keyring here" in none[1]
    assert "keeps nothing" in null[1]
    assert "pip install 'orchestra-nb[keyring]'" in absent[1]
    assert "vault" in wrong[1]


def test_all_who_begin_at_once_get_one_key(shell: Shell) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestra_nb.settings import SecretKeyPlace\n"
        "from orchestra_nb.store.secret_key import load_secret_key\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(load_secret_key(SecretKeyPlace(Path('none'), 'keyring')).decode())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=shell.environ,
            cwd=shell.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    keys = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        keys.append(process.communicate(timeout=PATIENCE_SECONDS)[0])

    assert len(set(keys)) == 1
    assert len(keys[0].strip()) == 44


def test_a_locked_keyring_is_a_reason_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backends.fail import Keyring
    from keyring.errors import KeyringLocked

    class Locked(Keyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise KeyringLocked("it is locked")

    before = keyring.get_keyring()
    keyring.set_keyring(Locked())
    try:
        with pytest.raises(StoreUnavailable, match="it is locked"):
            load_secret_key(SecretKeyPlace(tmp_path / "none", "keyring"))
    finally:
        keyring.set_keyring(before)


def test_the_environment_has_the_key_or_it_is_said_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SecretKeyPlace(tmp_path / "none", "environment")
    key = load_secret_key(tmp_path / "key")

    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(InvalidSetting, match="is not set"):
        load_secret_key(place)
    monkeypatch.setenv(KEY_VARIABLE, "short")
    with pytest.raises(InvalidSetting, match="holds no key"):
        load_secret_key(place)
    monkeypatch.setenv(KEY_VARIABLE, key.decode())
    assert load_secret_key(place) == key
    assert not (tmp_path / "none").exists()

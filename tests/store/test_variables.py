"""Variables and secrets: what is set comes back as it was, and a secret is nowhere to be read."""

from __future__ import annotations

import logging
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from stored_examples import NOON, later

from orchestra_nb.errors import InvalidInput, InvalidSetting, NameTaken, SecretNotFound, SecretUnreadable
from orchestra_nb.model.json_values import from_json_text, to_json_text
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.variables import StoredVariable, check_name
from orchestra_nb.store.database import Database
from orchestra_nb.store.secret_key import load_secret_key
from orchestra_nb.store.secret_store import SecretStore
from orchestra_nb.store.variable_store import VariableStore

VALUES = [None, True, 2**70, 0.1, float("inf"), "ä\udc80\0", [1, [None]], {"a": {"b": ["c", 1.5]}}, {"$float": "nan"}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_variable_comes_back_as_it_was_set(database: Database, value: object) -> None:
    store = VariableStore(database)

    store.set("answer", value, ["a", "b"], NOON, may_overwrite=False)

    expected = StoredVariable(name="answer", value=value, tags=("a", "b"), created_at=NOON, updated_at=NOON)
    assert store.find("answer") == expected
    assert store.list_variables() == [expected]


def test_a_variable_is_overwritten_only_when_that_is_asked_for(database: Database) -> None:
    store = VariableStore(database)
    store.set("answer", 42, [], NOON, may_overwrite=False)

    with pytest.raises(NameTaken, match="There is a variable 'answer' already. Pass overwrite=True"):
        store.set("answer", 43, [], later(1), may_overwrite=False)
    changed = store.set("answer", 44, ["new"], later(2), may_overwrite=True)

    assert changed == store.find("answer")
    assert (changed.value, changed.tags, changed.created_at, changed.updated_at) == (44, ("new",), NOON, later(2))


def test_a_variable_is_deleted_once(database: Database) -> None:
    store = VariableStore(database)
    store.set("answer", 42, [], NOON, may_overwrite=False)

    assert [store.delete("answer"), store.delete("answer")] == [True, False]
    assert store.find("answer") is None


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_keep_their_form_as_json_text(value: object) -> None:
    assert from_json_text(to_json_text(value, "It")) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [NOON]}, r"It has a value of type datetime at a\[0\], which is no JSON"),
        ({"a": {1: 2}}, r"It has the key 1 at a; keys of JSON are text: write '1'"),
        (Secret("x"), "It has a value of type Secret, which is no JSON"),
        ("x" * 1_000_000, r"It has 1,000,002 bytes as JSON, at most 1,000,000 are kept"),
    ],
    ids=["a date", "a number as key", "a secret", "a large text"],
)
def test_what_is_no_json_is_refused_with_its_place(value: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        to_json_text(value, "It")


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append([value])

    with pytest.raises(InvalidInput, match=r"It holds itself at \[0\]\[0\]"):
        to_json_text(value, "It")


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\nb", "x" * 256, 3], ids=repr)
def test_bad_names_are_refused(name: object) -> None:
    with pytest.raises(InvalidInput):
        check_name(name, "variable")


@pytest.mark.parametrize("value", ["open sesame", "", "ä\udc80\0", "x" * 100_000], ids=lambda value: value[:12])
def test_a_secret_comes_back_and_the_store_does_not_hold_it(database: Database, tmp_path: Path, value: str) -> None:
    store = SecretStore(database, load_secret_key(tmp_path / "key"))

    store.set("password", Secret(value), NOON)

    assert store.get("password").get() == value
    with database.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM secrets")).all()
    assert not value or value not in repr(row)


def test_a_secret_is_replaced_and_deleted(database: Database, tmp_path: Path) -> None:
    store = SecretStore(database, load_secret_key(tmp_path / "key"))

    assert store.set("password", Secret("one"), NOON)
    assert not store.set("password", Secret("two"), later(1))

    assert store.get("password") == Secret("two")
    (listed,) = SecretStore(database).list_secrets()
    assert (listed.name, listed.created_at, listed.updated_at) == ("password", NOON, later(1))
    assert [SecretStore(database).delete("password"), store.delete("password")] == [True, False]
    with pytest.raises(SecretNotFound, match="No secret 'password'. Set it with `orchestra secrets set password`"):
        store.get("password")


def test_another_key_does_not_open_a_secret_and_the_remedy_is_named(database: Database, tmp_path: Path) -> None:
    SecretStore(database, load_secret_key(tmp_path / "mine")).set("password", Secret("x"), NOON)

    with pytest.raises(SecretUnreadable, match="'password' was encrypted with another key.*ORCHESTRA_SECRET_KEY_FILE"):
        SecretStore(database, load_secret_key(tmp_path / "other")).get("password")


def test_a_secret_hides_itself(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("open sesame")

    with caplog.at_level(logging.INFO):
        logging.getLogger("user").info("%s %r %s", secret, secret, [secret])
    shown = f"{secret} {secret!r} {secret!s:>20} {[secret]} {caplog.text}"

    assert "sesame" not in shown
    assert pickle.loads(pickle.dumps(secret)) == secret != Secret("other")
    assert hash(secret) == hash(Secret("open sesame"))
    with pytest.raises(TypeError, match=r"Its text is secret.get\(\)"):
        list(secret)  # type: ignore[call-overload]


def test_the_key_is_for_this_user_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret.key"

    first, second = load_secret_key(path), load_secret_key(path)

    assert first == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    load_secret_key(path)
    path.chmod(0o640)

    with pytest.raises(InvalidSetting, match=r"Others may read the key of the secrets, .*chmod 600"):
        load_secret_key(path)


def test_a_file_that_holds_no_key_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"")
    path.chmod(0o600)

    with pytest.raises(InvalidSetting, match="holds no key of secrets"):
        load_secret_key(path)
    assert path.read_bytes() == b""


def test_processes_that_make_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestra_nb.store.secret_key import load_secret_key\n"
        "print('ready', flush=True); sys.stdin.readline(); print(load_secret_key(Path(sys.argv[1])).decode())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "secret.key")]
    makers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(4)
    ]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"

    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("\n")
        maker.stdin.flush()
    keys = {maker.communicate()[0] for maker in makers}

    assert len(keys) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.key"]

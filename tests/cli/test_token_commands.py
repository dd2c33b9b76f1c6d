"""``orchestra tokens``: the text is shown once, to whoever asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestra_nb.cli.main import main


@pytest.fixture
def tokens() -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(main, ["tokens", *words], standalone_mode=False)


def test_a_token_is_made_listed_and_revoked(tokens: Callable[..., Result]) -> None:
    made = tokens("create", "--name", "box", "--scope", "worker:gpu", "--scope", "runs:read")
    again = tokens("create", "--name", "box", "--scope", "admin", "--expires", "never")
    listed = tokens("ls", "--json")
    revoked = [tokens("revoke", "box"), tokens("revoke", "box")]
    never = tokens("create", "--name", "box", "--scope", "admin", "--expires", "never", "--json")

    assert (made.exit_code, made.stdout.startswith("orc_"), len(made.stdout.split())) == (0, True, 1)
    assert "not shown again" in made.stderr
    assert "There is a token 'box' already." in str(again.exception)
    [token] = json.loads(listed.stdout)["tokens"]
    assert (token["name"], token["scopes"], token["last_used_at"]) == ("box", ["worker:gpu", "runs:read"], None)
    assert token["expires_at"] is not None
    assert made.stdout.strip() not in listed.stdout
    assert (revoked[0].exit_code, "No token 'box'." in str(revoked[1].exception)) == (0, True)
    assert json.loads(never.stdout)["expires_at"] is None


def test_a_token_may_act_for_a_user(tokens: Callable[..., Result]) -> None:
    plain = tokens("create", "--name", "box", "--scope", "runs:read")
    before = tokens("ls").stdout.splitlines()[0].split()
    made = tokens("create", "--name", "script", "--for", "alice", "--scope", "runs:read")
    listed = [line.split()[:3] for line in tokens("ls").stdout.splitlines()]
    [owner] = [one["owner"] for one in json.loads(tokens("ls", "--json").stdout)["tokens"] if one["name"] == "script"]

    assert ("for alice" in made.stderr, " for " in plain.stderr, owner) == (True, False, "alice")
    assert (before[:2], listed[0]) == (["NAME", "SCOPES"], ["NAME", "FOR", "SCOPES"])
    assert ["script", "alice", "runs:read"] in listed


def test_a_file_of_a_token_is_for_its_owner_alone(tokens: Callable[..., Result], tmp_path: Path) -> None:
    path, unused = tmp_path / "token", tmp_path / "unused"

    made = tokens("create", "--name", "filed", "--scope", "worker:gpu", "--file", str(path))
    again = tokens("create", "--name", "other", "--scope", "worker:gpu", "--file", str(path))
    refused = tokens("create", "--name", "filed", "--scope", "worker:gpu", "--file", str(unused))

    assert (made.stdout, made.exit_code) == ("", 0)
    assert (path.read_text()[:4], path.stat().st_mode & 0o777) == ("orc_", 0o600)
    assert "is there already" in str(again.exception)
    assert ("There is a token 'filed' already." in str(refused.exception), unused.exists()) == (True, False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--scope", "wurst"), "'wurst' is no scope of a token. The scopes are: runs:read"),
        (("--scope", "worker:"), "'worker:' is no scope"),
        (("--scope", "admin", "--expires", "soon"), "'soon' is no duration"),
        (("--scope", "admin", "--expires", "0s"), "opens nothing"),
        (("--scope", "admin", "--for", " "), "acts for a user, by their name"),
    ],
)
def test_a_token_that_would_be_of_no_use_is_refused(
    tokens: Callable[..., Result], words: tuple[str, ...], message: str
) -> None:
    refused = tokens("create", "--name", "box", *words)

    assert refused.exit_code != 0
    assert message in refused.output + str(refused.exception)

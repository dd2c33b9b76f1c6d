"""``orchestra profile``: sets of settings in the user's file, whose form is kept, and which shows no secret."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestra_nb.cli.main import main
from orchestra_nb.errors import InvalidSetting
from orchestra_nb.model.setting_texts import shown_setting
from orchestra_nb.settings import load_settings

PASSWORD = "open sesame"
URL = f"postgresql://ana:{PASSWORD}@db.example.org/runs"

FILE = """\
# what all of mine share
cluster_workers = 4  # this machine has four

# the team's machine
[profiles.team]
# asked for at the desk
cluster = "tls://scheduler.example.org:8786"   # in the cellar

[profiles.alone]
task_runner = "threads"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file of settings, which does not exist yet; the working folder is a project's."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("ORCHESTRA_CLUSTER_WORKERS", raising=False)
    return tmp_path / "config" / "orchestra.toml"


@pytest.fixture
def written(file: Path) -> Path:
    file.parent.mkdir()
    file.write_text(FILE)
    file.chmod(0o644)
    return file


def orchestra(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["profile", *words], input=stdin)


def done(*words: str, stdin: str | None = None) -> str:
    result = orchestra(*words, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def refused(*words: str) -> tuple[int, str]:
    result = orchestra(*words)
    assert isinstance(result.exception, SystemExit)
    return result.exit_code, result.stderr


def test_a_profile_is_made_used_and_left_again(file: Path) -> None:
    done("create", "team", "cluster=tls://scheduler:8786", "cluster_workers=3")
    before = load_settings().cluster
    done("use", "team")
    during = load_settings()
    done("use", "--none")

    assert (before, during.cluster, during.cluster_workers) == ("local", "tls://scheduler:8786", 3)
    assert load_settings().cluster == "local"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_profile_that_is_used_is_seen_by_other_processes(written: Path) -> None:
    done("use", "alone")
    code = "from orchestra_nb.settings import load_settings; print(load_settings().task_runner)"

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed == "threads\n"


def test_comments_and_order_of_the_file_are_kept(written: Path) -> None:
    done("use", "team")
    done("set", "cluster_idle_seconds=60")
    done("set", "--common", "sweep_seconds=2")
    done("create", "new", "task_runner=threads", "--from", "team")
    done("unset", "--profile", "alone", "task_runner")

    expected = FILE.replace("four\n", 'four\nprofile = "team"\nsweep_seconds = 2.0\n')
    expected = expected.replace("cellar\n", "cellar\ncluster_idle_seconds = 60.0\n")
    expected = expected.replace('task_runner = "threads"\n', "")
    text = written.read_text()
    assert text.startswith(expected.rstrip("\n"))
    assert 'task_runner = "threads"' in text.partition("[profiles.new]")[2]
    assert stat.S_IMODE(written.stat().st_mode) == 0o644


def test_a_file_that_is_a_link_stays_one(written: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.toml"
    written.rename(kept)
    written.symlink_to(kept)

    done("use", "team")

    assert written.is_symlink()
    assert 'profile = "team"' in kept.read_text()


def test_no_secret_of_a_url_is_shown(file: Path) -> None:
    shown = done("create", "team", "store_url=-", 'cluster={"class": "x.Y", "password": "hunter2"}', stdin=f"{URL}\n")
    shown += done("use", "team") + done("ls") + done("ls", "--json") + done("show", "--origin", "--all")
    shown += done("show", "--json") + done("set", "store_url=-", stdin=f"{URL}?sslpassword=hunter2\n") + done("show")

    assert load_settings().store_url == f"{URL}?sslpassword=hunter2"
    assert "postgresql://ana:••••@db.example.org/runs?sslpassword=••••" in shown
    assert [secret for secret in (PASSWORD, "hunter2") if secret in shown] == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_gets_a_secret_is_closed_to_others(written: Path) -> None:
    done("set", "--profile", "team", "store_url=-", stdin=URL)

    assert stat.S_IMODE(written.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("sqlite:////data/orchestra.db", "sqlite:////data/orchestra.db", id="nothing to hide"),
        pytest.param("postgresql://ana@db/runs", "postgresql://ana@db/runs", id="a user alone"),
        pytest.param("postgresql://ana:p@ss:w@db/runs", "postgresql://ana:••••@db/runs", id="an unquoted at sign"),
        pytest.param("postgresql://:pw@db/runs", "postgresql://:••••@db/runs", id="no user"),
        pytest.param("postgresql://db/r?user=a&password=x&z=1", "postgresql://db/r?user=a&password=••••&z=1", id="a field"),
    ],
)  # fmt: skip
def test_what_is_secret_in_a_url_is_hidden(value: str, shown: str) -> None:
    assert shown_setting("store_url", value) == shown


def test_settings_are_shown_with_where_they_come_from(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRA_SWEEP_SECONDS", "3")
    Path("orchestra.toml").write_text('[profiles.team]\nheartbeat_seconds = 9\nprofile_of = "nobody"\n')
    unknown = refused("show", "team")
    Path("orchestra.toml").write_text("[profiles.team]\nheartbeat_seconds = 9\n")

    found = json.loads(done("show", "team", "--json"))["settings"]

    origins = {one["name"]: (one["value"], one["origin"]) for one in found if one["origin"] != "default"}
    assert (
        origins
        == {
            "cluster_workers": ("4", str(written)),
            "cluster": ("tls://scheduler.example.org:8786", f"{written}, profile team"),
            "heartbeat_seconds": ("9.0", f"{Path('orchestra.toml').resolve()}, profile team"),
            "sweep_seconds": ("3.0", "ORCHESTRA_SWEEP_SECONDS"),
        }
        or origins == {}
    )
    assert "profile_of" in unknown[1]


def test_the_environment_wins_over_the_file_and_the_project_over_the_user(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done("use", "team")
    Path("orchestra.toml").write_text('profile = "alone"\n')
    of_project = load_settings().task_runner
    monkeypatch.setenv("ORCHESTRA_PROFILE", "team")
    of_environment = load_settings().task_runner
    warned = orchestra("use", "alone")
    monkeypatch.setenv("ORCHESTRA_PROFILE", "")
    of_none = load_settings()

    assert (of_project, of_environment) == ("threads", "dask")
    assert "ORCHESTRA_PROFILE says otherwise, and wins" in warned.stderr
    assert (of_none.task_runner, of_none.cluster) == ("dask", "local")


def test_what_is_wrong_is_refused_and_nothing_is_written(written: Path) -> None:
    refusals = {
        "unknown": refused("set", "--common", "clustr=local"),
        "no number": refused("set", "--profile", "team", "cluster_workers=many"),
        "no URL": refused("set", "--common", "store_url=mysql://db/x"),
        "no value": refused("set", "--common", "cluster"),
        "no profile": refused("use", "none"),
        "taken": refused("create", "team"),
        "no name": refused("create", "a b"),
        "not set": refused("unset", "--profile", "team", "task_runner"),
        "from none": refused("create", "x", "--from", "nobody"),
    }

    assert {name: code for name, (code, _) in refusals.items()} == {
        "unknown": 2,
        "no number": 2,
        "no URL": 2,
        "no value": 2,
        "no profile": 3,
        "taken": 1,
        "no name": 2,
        "not set": 1,
        "from none": 3,
    }
    assert "The settings are: store_url" in refusals["unknown"][1]
    assert "The profiles are: alone, team." in refusals["no profile"][1]
    assert written.read_text() == FILE


def test_a_profile_that_is_gone_is_named_with_who_asks_for_it(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done("use", "team")
    written.write_text(written.read_text().replace("profiles.team", "profiles.club"))

    with pytest.raises(InvalidSetting, match=f"No profile 'team', which {written} asks for"):
        load_settings()
    monkeypatch.setenv("ORCHESTRA_PROFILE", "gone")
    with pytest.raises(InvalidSetting, match="unset ORCHESTRA_PROFILE"):
        load_settings()
    monkeypatch.delenv("ORCHESTRA_PROFILE")
    assert "No profile is used" in done("use", "--none")
    assert load_settings().cluster == "local"


def test_a_text_that_looks_like_a_table_is_none(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('kernel_preload = """\n[profiles.x]\n"""\n')

    done("create", "team")
    done("use", "team")

    assert load_settings().kernel_preload == "[profiles.x]\n"
    assert os.listdir(file.parent) == ["orchestra.toml"]

"""S29: a secret parameter is in no log, notebook, store, answer or process list, while its run goes on and after."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
from patience import PATIENCE_SECONDS, eventually

API = ("orchestra", "api", "v1")
SECRET = 'S3cr3t\\"hunter2é'
CELLS = [
    "from orchestra_nb import task\nfrom orchestra_nb.logging import get_run_logger\nfrom orchestra_nb.artifacts import create_markdown_artifact\n"
    "from orchestra_nb.variables import Secret",
    "token: Secret = Secret('')\nkey: str = ''\nsaid: Secret = Secret('')",
    "assert (token.get(), key, said.get()) == 3 * (open('expected').read(),)\nprint('the secret is', token.get())",
    "import sys\nprint(repr(key), [key], file=sys.stderr)\nsys.stdout.write(key[:5]); sys.stdout.flush(); print(key[5:])",
    "import json\nprint(json.dumps({'key': key}))\ncreate_markdown_artifact(f'# {key}', key='report')\n{'k': key}",
    "@task\ndef fail(text):\n    print('in a task', text)\n    get_run_logger().warning('with %s', text)\n    raise ValueError(text)\n"
    "state = fail(key, return_state=True)\nprint(state, state.message)",
    "%%task --wait shown\nprint('on a worker', token.get())",
    "import pathlib, time\npathlib.Path('here').touch()\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.02)",
    "raise ValueError(f'no luck with {key}')",
]


def write_notebook(path: Path) -> None:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(CELLS)
    ]
    cells[1]["metadata"] = {"tags": ["parameters"]}
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def traces_in(data: bytes) -> list[str]:
    """Return the forms in which the secret is in some bytes."""
    forms = {
        SECRET,
        repr(SECRET)[1:-1],
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        "hunter2",
    }
    return [form for form in forms if form.encode() in data]


def traces_in_processes() -> list[str]:
    found: list[str] = []
    for process in psutil.process_iter():
        for name in ("cmdline", "environ"):
            try:
                found += traces_in(Path(f"/proc/{process.pid}/{name}").read_bytes())
            except OSError:  # it ended, or belongs to somebody else
                continue
    return found


def traces_in_files(folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "expected" and (traces := traces_in(path.read_bytes())):
            found.append(f"{path}: {traces}")
    return found


async def test_a_secret_parameter_is_nowhere(jp_fetch, store, store_url, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", store_url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "expected").write_text(SECRET)
    write_notebook(folder / "report.ipynb")
    orchestra = [sys.executable, "-m", "orchestra_nb"]
    subprocess.run([*orchestra, "secrets", "set", "prod"], input=SECRET.encode(), check=True, capture_output=True)
    command = [*orchestra, "run", "report.ipynb", "out.ipynb", "--json", "--cache"]
    command += ["--secret", "token", "prod", "--secret", "key", "prod", "--secret", "said", "-"]
    running = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdin is not None
    running.stdin.write(SECRET.encode())
    running.stdin.close()
    running.stdin = None

    eventually(lambda: True if (folder / "here").exists() or running.poll() is not None else None)
    while_running = [*traces_in_processes(), *traces_in_files(tmp_path)]
    (folder / "go").touch()
    stdout, stderr = running.communicate(timeout=PATIENCE_SECONDS)

    document = json.loads(stdout)
    assert (document["state"], document["message"]) == ("FAILED", "ValueError: no luck with •••• (cell 9, line 1)"), (
        stderr
    )
    assert document["parameters"] == {"token": {"$secret": "prod"}, "key": {"$secret": "prod"}, "said": "••••"}
    run_id = document["run_id"]
    answers = [
        (await jp_fetch(*API, *path)).body
        for path in (("runs",), ("runs", run_id), ("runs", run_id, "tasks"), ("runs", run_id, "logs"))
    ]
    shown = subprocess.run([*orchestra, "runs", "show", run_id], capture_output=True, check=True)
    logged = subprocess.run([*orchestra, "runs", "logs", run_id], capture_output=True, check=True)
    assert while_running == []
    for text in (stdout, stderr, shown.stdout, logged.stdout, *answers):
        assert traces_in(text) == []
    assert traces_in_files(tmp_path) == []
    assert traces_in_processes() == []
    # and what was hidden was there: every way out has its dots
    lines = [line["message"] for line in json.loads(answers[3])["lines"]]
    assert any(line.startswith("Nothing is kept or replayed in this run") for line in lines)
    assert {"the secret is ••••", "in a task ••••", "on a worker ••••", "with ••••", '{"key": "••••"}'} <= set(lines)
    outputs = json.dumps(json.loads((folder / "out.ipynb").read_text()), ensure_ascii=False)
    assert outputs.count("••••") >= 8

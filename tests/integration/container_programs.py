"""Programs that stand for ``docker`` and ``kubectl``: each runs the command of what it is given as a local process."""

from __future__ import annotations

import sys
from pathlib import Path

_DOCKER = """
import json, os, pathlib, signal, subprocess, sys, time
here, words = pathlib.Path(__file__).parent, sys.argv[1:]

def option(name):
    return [words[number + 1] for number, word in enumerate(words) if word == name]

def is_alive(name):
    return not (here / f"{name}.code").exists()

def wait_for(name):
    while is_alive(name):
        time.sleep(0.02)
    code = int((here / f"{name}.code").read_text())
    sys.exit(128 - code if code < 0 else code)

with open(here / "calls", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
if (here / "away").exists():
    print("Cannot connect to the Docker daemon", file=sys.stderr)
    sys.exit(125 if words[0] == "run" else 1)
if words[0] == "run":
    (name,) = option("--name")
    at = next(number for number, word in enumerate(words) if word.startswith("img:"))
    if words[at] == "img:missing":
        print("manifest unknown", file=sys.stderr)
        sys.exit(125)
    if words[at] == "img:slow":
        words[at + 1 :] = ["sleep", "600"]
    command = [sys.executable if word == "python" else word for word in words[at + 1 :]]
    keeper = "\\n".join([
        "import os, pathlib, subprocess, sys",
        "process = subprocess.Popen(sys.argv[2:])",
        "pathlib.Path(sys.argv[1]).write_text(str(process.pid))",
        "code = str(process.wait())",
        "pathlib.Path(sys.argv[1] + '.new').write_text(code)",
        "os.rename(sys.argv[1] + '.new', sys.argv[1] + '.code')",
    ])
    (here / f"{name}.labels").write_text(json.dumps([f"label={one}" for one in option("--label")]))
    (here / f"{name}.client").write_text(str(os.getpid()))
    subprocess.Popen([sys.executable, "-c", keeper, str(here / name), *command], start_new_session=True)
    wait_for(name)
elif words[0] == "ps":
    for labels in here.glob("*.labels"):
        if set(option("--filter")) <= set(json.loads(labels.read_text())) and is_alive(labels.stem):
            print(labels.stem, "running", "Up 2 seconds", sep="\\t")
elif words[0] == "attach":
    wait_for(words[-1])
elif not (here / words[-1]).exists():
    sys.exit(1)
else:
    os.kill(int((here / words[-1]).read_text()), signal.SIGTERM)
"""

_KUBECTL = """
import json, os, pathlib, signal, subprocess, sys
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
if words[0] == "create":
    manifest = json.load(sys.stdin)
    job = here / manifest["metadata"]["name"]
    (here / "manifest").write_text(json.dumps(manifest))
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    environ = {**os.environ, **{one["name"]: one["value"] for one in container["env"]}}
    command = [sys.executable if word == "python" else word for word in container["command"]]
    with open(f"{job}.log", "wb") as log:
        run = [sys.executable, "-c", "import subprocess, sys, pathlib\\n"
               "code = subprocess.call(sys.argv[2:])\\npathlib.Path(sys.argv[1]).write_text(str(code))"]
        process = subprocess.Popen([*run, f"{job}.code", *command], env=environ, stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    job.write_text(str(process.pid))
    sys.exit()
name = words[1].removeprefix("job/") if words[0] == "logs" else words[2]
job = here / name
if words[0] == "get" and job.exists():
    code = here / f"{name}.code"
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    ended = [] if not code.exists() or not code.read_text() else [
        {"type": "Complete", "status": "True"} if code.read_text() == "0" else failed]
    print(json.dumps({"status": {"conditions": ended}}))
elif words[0] == "logs":
    print((here / f"{name}.log").read_text())
elif words[0] == "delete":
    os.killpg(int(job.read_text()), signal.SIGTERM)
    job.unlink()
"""


def write_programs(folder: Path) -> None:
    """Write both into a folder, for the ``PATH``."""
    folder.mkdir()
    for name, text in (("docker", _DOCKER), ("kubectl", _KUBECTL)):
        (folder / name).write_text(f"#!{sys.executable}\n{text}")
        (folder / name).chmod(0o755)

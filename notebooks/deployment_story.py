"""A notebook that runs by itself, fails, is tried again, is told of, and is mended: ``python deployment_story.py``.

All of it happens in a temporary folder with a store of its own, with the commands that you would type.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ORCHESTRA = (sys.executable, "-m", "orchestra_nb")
CELLS = (
    "from pathlib import Path\nfrom orchestra_nb import record",
    "orders = [int(line) for line in Path('orders.txt').read_text().split()]  # broken until somebody mends the file",
    "record(total=sum(orders))",
)


def main() -> None:
    """Tell the story."""
    with tempfile.TemporaryDirectory() as name, receiver() as (address, received):
        folder = Path(name)
        os.environ.update(JUPYTER_DATA_DIR=str(folder / "data"), ORCHESTRA_STORE_URL=f"sqlite:///{folder / 'store.db'}")
        os.chdir(folder)
        (folder / "orders.ipynb").write_text(json.dumps(notebook_of(*CELLS)))
        (folder / "orders.txt").write_text("3 4 many")

        say("Somebody is to hear of failures")
        orchestra("notifications", "channels", "add", "chat", "--allow-private", stdin=address)
        orchestra("notifications", "rules", "add", "team", "--channel", "chat")

        say("The notebook is to run each hour, and once more when it fails")
        orchestra(
            *("deploy", "orders.ipynb", "--name", "orders", "--every", "1h"),
            *("--retries", "1", "--retry-delay", "1s"),
        )
        service = subprocess.Popen([*ORCHESTRA, "serve", "--no-server", "--no-commands"])
        try:
            say("It is run now, and fails twice")
            orchestra("deployments", "run", "orders", "--wait", may_fail=True)
            wait_for(dead_letters)
            orchestra("dead-letters", "ls")

            say("The chat was told, once")
            wait_for(lambda: received)
            print(received[0]["message"])

            say("The file is mended, and the dead letter is sent again")
            (folder / "orders.txt").write_text("3 4 5")
            (letter,) = dead_letters()
            orchestra("dead-letters", "retry", letter["id"], "--wait")
            orchestra("runs", "results", letter["run_id"])

            say("The chat was told of that, too")
            wait_for(lambda: len(received) > 1)
            print(received[1]["message"])
            orchestra("runs", "ls")
        finally:
            service.terminate()
            service.wait()


def orchestra(*words: str, stdin: str = "", is_shown: bool = True, may_fail: bool = False) -> str:
    """Type a command; return what it prints."""
    if is_shown:
        print("$ orchestra", *words, flush=True)
    done = subprocess.run([*ORCHESTRA, *words], input=stdin, capture_output=True, text=True)
    if is_shown:
        print(done.stdout + done.stderr)
    if done.returncode and not may_fail:
        sys.exit(done.stderr)
    return done.stdout


def dead_letters() -> list[dict[str, str]]:
    """Return what failed for good."""
    return json.loads(orchestra("dead-letters", "ls", "--json", is_shown=False))["dead_letters"]


def say(text: str) -> None:
    """Say what comes next."""
    print(f"\n--- {text}\n", flush=True)


def wait_for(look, seconds: float = 120.0) -> None:
    """Wait until there is something."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            sys.exit("It did not come.")
        time.sleep(0.2)


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Be a chat on this machine; give its address and what it has received."""
    received: list[dict[str, str]] = []

    class Chat(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    server.server_close()


def notebook_of(*sources: str) -> dict[str, object]:
    """Return a notebook with these cells."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


if __name__ == "__main__":
    main()

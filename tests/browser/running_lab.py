"""JupyterLab as its user starts it, in folders of its own, and Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lab_pages import Lab
from patience import PATIENCE_SECONDS

import orchestra_nb

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

_PACKAGE = Path(orchestra_nb.__file__).parent

#: The built extension for JupyterLab.
EXTENSION = _PACKAGE / "labextension"

_CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch_chromium(playwright: Playwright) -> Browser | None:
    """Start Debian's Chromium; None where it is not installed."""
    executable = shutil.which("chromium")
    if executable is None:
        return None
    return playwright.chromium.launch(
        executable_path=executable, args=list(_CHROMIUM_ARGUMENTS), timeout=1000 * PATIENCE_SECONDS
    )


@contextmanager
def running_lab(folder: Path, *, with_extension: bool = True, with_voila: bool = False) -> Iterator[Lab]:
    """Run JupyterLab with token and XSRF check, and with our two extensions unless it is to be without.

    Voilà's pages are beside it where they are asked for, its button in JupyterLab never.
    """
    root, data = folder / "root", folder / "data"
    root.mkdir()
    (data / "labextensions").mkdir(parents=True)
    # no look at each start and each page whether JupyterLab wants to be built anew: half a second of Node
    page_config: dict[str, object] = {"buildAvailable": False, "buildCheck": False}
    if with_extension:
        # as found by data folder, so that neither an installation nor a development link is needed
        (data / "labextensions" / "orchestra-nb").symlink_to(EXTENSION)
    # nor may one count where it is to be without
    page_config["disabledExtensions"] = {
        "orchestra-nb": not with_extension,
        "@voila-dashboards/jupyterlab-preview": True,
    }
    (folder / "config" / "labconfig").mkdir(parents=True)
    (folder / "config" / "labconfig" / "page_config.json").write_text(json.dumps(page_config))
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    # no dialog that asks for a kernel may cover the page
    tracker = folder / "settings" / "@jupyterlab" / "notebook-extension"
    tracker.mkdir(parents=True)
    (tracker / "tracker.jupyterlab-settings").write_text(json.dumps({"autoStartDefaultKernel": True}))
    token = secrets.token_hex(16)
    environ = os.environ | {
        "HOME": str(folder),
        "PYTHONPATH": str(_PACKAGE.parent),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(data),
        # before what is installed in a virtual environment, which may be another build
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "ORCHESTRA_STORE_URL": f"sqlite:///{folder / 'orchestra.db'}",
    }
    extensions = {
        "orchestra_nb": with_extension,
        "notebook": _has_notebook(),  # the same server has its pages beside JupyterLab's
        "voila.server_extension": with_voila,
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"),
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.jpserver_extensions={extensions}",
        "--OrchestraExtension.has_services=False",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
    ]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environ, cwd=folder, stdout=output, stderr=output)
        try:
            url = _wait_for_server(server, folder / "runtime", log)
            yield Lab(url=url, token=token, root=root, environ=environ)
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _has_notebook() -> bool:
    return find_spec("notebook") is not None


def _wait_for_server(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Return the server's URL once it answers; it writes its real port into a file."""
    file = runtime / f"jpserver-{server.pid}.json"
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            info = json.loads(file.read_text())
            urllib.request.urlopen(f"{info['url']}api?token={info['token']}", timeout=5).close()
        except (OSError, ValueError):
            time.sleep(0.1)
        else:
            return str(info["url"])
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")

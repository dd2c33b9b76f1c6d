"""The hub of the tests, as JupyterHub reads it: a server for each user, and ``orchestra serve`` as a service.

``hub_world.py`` says in the environment where it works; all users have the account of whoever runs the tests.
"""

import json
import os
import sys

c = get_config()  # noqa: F821
told = json.loads(os.environ["HUB_WORLD"])
folder = told["folder"]
kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "ORCHESTRA_TEST_SESSION") if name in os.environ}

c.JupyterHub.bind_url = told["url"]
c.JupyterHub.public_url = told["url"]
c.JupyterHub.hub_port = told["hub_port"]
c.JupyterHub.db_url = f"sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{folder}/cookie_secret"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{told['proxy_port']}"
c.ConfigurableHTTPProxy.command = told["proxy"]
c.ConfigurableHTTPProxy.pid_file = f"{folder}/proxy.pid"

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = told["password"]
c.Authenticator.allowed_users = {"ana", "ben", "eve"}
c.JupyterHub.allow_named_servers = True
c.JupyterHub.load_groups = {"analysts": {"users": ["ana", "ben"]}}

c.JupyterHub.spawner_class = "simple"
c.Spawner.start_timeout = c.Spawner.http_timeout = told["patience"]
c.SimpleLocalProcessSpawner.home_dir_template = f"{folder}/homes/{{username}}"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [
    "--allow-root",
    "--ServerApp.jpserver_extensions={'jupyterlab': True, 'orchestra_nb': True}",
    "--LabApp.expose_app_in_browser=True",
]
c.Spawner.environment = {
    **kept,
    "ORCHESTRA_RUNTIME_DIR": lambda spawner: f"{told['sockets']}/{spawner.user.name}",
    "JUPYTER_PREFER_ENV_PATH": "0",
}

c.JupyterHub.services = [
    {
        "name": "orchestra",
        "url": f"http://127.0.0.1:{told['service_port']}",
        "command": [sys.executable, "-m", "orchestra_nb", "serve", "--no-commands", "--ServerApp.allow_root=True"],
        "environment": {**kept, "HOME": f"{folder}/service", "ORCHESTRA_RUNTIME_DIR": f"{told['sockets']}/service"},
        "oauth_no_confirm": True,
    },
    {"name": "tests", "api_token": told["token"]},
]
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", "access:services!service=orchestra"]},
    {"name": "tests", "scopes": ["tokens", "servers", "access:services"], "services": ["tests"]},
]

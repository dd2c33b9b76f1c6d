"""The house holds: cheap import, one version, a wheel fit for release, docs that name real commands, no traces."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: What `import orchestra_nb` must not load: measured at 20 ms to two seconds each.
HEAVY = [
    "IPython", "alembic", "anywidget", "apprise", "asyncio", "click", "cloudpickle", "cron_descriptor", "cronsim", "cryptography", "dask",
    "dateutil", "distributed", "fsspec", "icalendar", "ipykernel", "ipywidgets", "jinja2", "jupyter_client", "jupyter_server", "matplotlib", "nbclient", "nbformat",
    "numpy", "pandas", "papermill", "psutil", "pyarrow", "pydantic", "rich", "sklearn", "sqlalchemy", "tomlkit", "tornado", "yaml", "zmq",
]  # fmt: skip

#: Distributions that a user needs although no module imports them: front ends and what is started by name.
USED_BY_NAME = {"ipykernel", "papermill", "tzdata"}

#: What comes with a package that we import, under the same name.
IN_A_SHARED_NAMESPACE = {"opentelemetry-semantic-conventions"}

#: Imported only where they are there: the user's own code, or JupyterLab, has brought them.
USED_WHERE_LOADED = {"jupyterlab-server", "numpy"}


def _tracked_files() -> list[Path]:
    """Return what belongs to the repository: all that Git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def _tracked_text() -> dict[Path, str]:
    texts: dict[Path, str] = {}
    for path in _tracked_files():
        try:
            texts[path.relative_to(ROOT)] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
    return texts


def test_importing_the_package_loads_no_heavy_module() -> None:
    code = f"import sys, orchestra_nb; print(sorted(set({HEAVY!r}) & set(sys.modules)))"

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert ast.literal_eval(printed) == []


def test_each_file_of_tests_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]

    assert {name for name in names if names.count(name) > 1} == set()


def test_python_and_npm_have_one_version() -> None:
    from orchestra_nb.version import __version__

    npm = json.loads((ROOT / "labextension/package.json").read_text(encoding="utf-8"))

    assert (npm["name"], npm["version"]) == ("orchestra-nb", __version__)


def test_the_wheel_is_fit_for_release(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr

    wheels = [str(path) for path in tmp_path.glob("*.whl")]
    checked = subprocess.run(
        [sys.executable, str(ROOT / "scripts/check_wheel.py"), *wheels], capture_output=True, text=True
    )

    assert (checked.returncode, checked.stdout) == (0, f"{wheels[0]}: fit for release\n")


def test_each_dependency_is_used_and_each_import_is_declared() -> None:
    declared = {_distribution(line) for line in _project()["dependencies"]}
    extras = _project()["optional-dependencies"]
    optional = {
        _distribution(line) for extra in ("arrow", "keyring", "postgres", "telemetry") for line in extras[extra]
    }

    imported = _imported_distributions() - USED_WHERE_LOADED - IN_A_SHARED_NAMESPACE

    assert imported - declared - optional == set()
    assert declared - imported - USED_BY_NAME == set()


def _project() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _distribution(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return name[0].lower().replace("_", "-").replace(".", "-")


def _imported_distributions() -> set[str]:
    """Return the distributions whose modules the package imports anywhere, also inside functions."""
    providers = importlib.metadata.packages_distributions()
    modules: set[str] = set()
    for path in (ROOT / "orchestra_nb").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    outside = modules - sys.stdlib_module_names - {"orchestra_nb"}
    return {_distribution(name) for module in outside for name in providers.get(module, [module])}


def test_documents_name_only_make_verbs_that_exist() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {
        (str(path), verb)
        for path, text in _tracked_text().items()
        if path.suffix in {".md", ".yml"}
        for verb in re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE)
    }

    assert named, "the README names the first commands"
    assert {(path, verb) for path, verb in named if verb not in verbs} == set()


def test_documents_name_only_files_that_exist() -> None:
    missing = [
        (str(path), target)
        for path, text in _tracked_text().items()
        if path.suffix == ".md" and "foreign_notebooks" not in path.parts
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
        if not (ROOT / path.parent / target).exists() and "pictures" not in target
    ]

    assert missing == []


def test_the_orchestra_command_has_the_verbs_that_the_manual_names() -> None:
    texts = {path: text for path, text in _tracked_text().items() if path.suffix in {".md", ".ipynb", ".sh"}}
    named = {verb for text in texts.values() for verb in re.findall(r"^\s*orchestra (\w+)", text, flags=re.MULTILINE)}

    helped = {
        verb: subprocess.run([sys.executable, "-m", "orchestra_nb", verb, "--help"], capture_output=True).returncode
        for verb in sorted(named)
    }

    assert {"cluster", "run", "runs"} <= set(helped)
    assert helped == dict.fromkeys(helped, 0)


@pytest.mark.parametrize(
    "trace",
    [
        pytest.param(r"registry\.(npmjs|yarnpkg)|pypi\.org/simple|files\.pythonhosted", id="a package registry's host"),
        pytest.param(r"(?<![\w.$}/])/(?:home|Users|root)/\w+/", id="a path of one machine"),
        pytest.param(r"__archiveUrl|resolved \"http", id="a download address in a lock file"),
        pytest.param(r"^(<{7}|>{7}) ", id="a merge conflict"),
    ],
)
def test_no_tracked_file_holds(trace: str) -> None:
    pattern = re.compile(trace, flags=re.MULTILINE)
    outside_tests = {path: text for path, text in _tracked_text().items() if "tests" not in path.parts}

    assert [str(path) for path, text in outside_tests.items() if pattern.search(text)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_example_notebooks_are_committed_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code_cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    assert [cell["outputs"] for cell in code_cells] == [[] for _ in code_cells]
    assert [cell["execution_count"] for cell in code_cells] == [None for _ in code_cells]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"

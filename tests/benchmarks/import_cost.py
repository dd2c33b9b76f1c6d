"""What `import orchestra_nb` adds to bare Python, in CPU time of fresh processes."""

from __future__ import annotations

from tests.benchmarks.measurement import Measurement, alternate, run_python, summarise

_CPU = "import resource; u = resource.getrusage(resource.RUSAGE_SELF); print((u.ru_utime + u.ru_stime) * 1000)"


def measure(environ: dict[str, str], repeats: int) -> list[Measurement]:
    """Return one row: the interpreter with the import against the interpreter alone."""
    ours, bare = alternate(
        lambda: float(run_python(f"import orchestra_nb; {_CPU}", environ)),
        lambda: float(run_python(_CPU, environ)),
        repeats * 4,
    )
    bound = "at most +60 ms"
    return [summarise("import orchestra_nb (CPU)", "python alone", ours, bare, compare="added", bound=bound)]

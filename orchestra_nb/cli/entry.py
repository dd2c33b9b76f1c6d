"""What the command ``orchestra`` starts with: a service that is up runs it, or this process does."""

from __future__ import annotations

import sys

from orchestra_nb.short_process import collect_seldom, end_process

#: Commands that gain from a process that is there.
_WARM = ("run",)
#: Options of these with which this process runs no notebook.
_NOT_HERE = {"-h", "--help", "--help-notebook", "--no-wait", "--prepare-only"}
#: Options that tell of a kernel which is most likely not this environment's own.
_OF_ANOTHER_KERNEL = {"-k", "--kernel"}
#: Options that together have notebooks run on workers only.
_SWEEP_ELSEWHERE = {"--cluster", "--sweep"}
_INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process, and exit."""
    try:
        exit_code = _run()
    except KeyboardInterrupt:  # before the command began
        exit_code = _INTERRUPTED
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        exit_code = end.code
    end_process(exit_code)


def _run() -> int:
    if sys.argv[1:2] and sys.argv[1] in _WARM:
        from orchestra_nb.cli.warm_command import run_warm

        exit_code = run_warm(sys.argv)
        if exit_code is not None:
            return exit_code
        collect_seldom()
        options = {word.partition("=")[0] for word in sys.argv}
        if _NOT_HERE.isdisjoint(options) and not options >= _SWEEP_ELSEWHERE:
            from orchestra_nb.operations.warm_start import start_ahead

            start_ahead(with_kernel=_OF_ANOTHER_KERNEL.isdisjoint(options))
    from orchestra_nb.cli.main import main as run

    run()
    return 0

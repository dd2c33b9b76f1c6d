"""What the command ``orchestra`` starts with: a service that is up runs it, or this process does."""

from __future__ import annotations

import sys

#: Commands that gain from a process that is there.
_WARM = ("run",)
_INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process, and exit."""
    try:
        if sys.argv[1:2] and sys.argv[1] in _WARM:
            from orchestra_nb.cli.warm_command import run_warm

            exit_code = run_warm(sys.argv)
            if exit_code is not None:
                sys.exit(exit_code)
        from orchestra_nb.cli.main import main as run

        run()
    except KeyboardInterrupt:  # before the command began
        sys.exit(_INTERRUPTED)

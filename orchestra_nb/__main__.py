"""``python -m orchestra_nb`` is the command ``orchestra``."""

from orchestra_nb.cli.entry import main

if __name__ == "__main__":
    main()

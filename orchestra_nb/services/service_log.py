"""Shows what services say on stderr, with the time, in a process that is a service or keeps one."""

from __future__ import annotations

import logging


def show_service_log() -> None:
    """Show it from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("orchestra_nb")
    logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)

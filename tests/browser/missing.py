"""What is said where something that a test needs is not there."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def miss(what: str) -> NoReturn:
    """Skip the test, naming what to do; in CI (``CI=true``) fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)

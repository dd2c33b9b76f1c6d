"""Which variables of a driver its tasks see, by their names."""

from __future__ import annotations

import pytest

from orchestra_nb.model.environment_variables import belongs_to_process

_OF_A_PROCESS = """
ORCHESTRA_RUN_ID ORCHESTRA_RUN_SOCKET ORCHESTRA_SENTINEL_FD DASK_DISTRIBUTED__WORKER__DAEMON __DASK_PARENT_PID
JPY_PARENT_PID JPY_INTERRUPT_EVENT LD_PRELOAD DYLD_INSERT_LIBRARIES NOTIFY_SOCKET LISTEN_FDS WATCHDOG_PID
PYTEST_CURRENT_TEST
""".split()
_OF_A_DRIVER = """
API_URL PATH HOME TZ TMPDIR PYTHONPATH OMP_NUM_THREADS LD_LIBRARY_PATH CUDA_VISIBLE_DEVICES AWS_PROFILE SSH_AUTH_SOCK
TERM PWD JUPYTERHUB_USER ORCHESTRA_STORE_URL MY_DASK_URL NOT_LD_PRELOAD LD_PRELOADED
""".split()


@pytest.mark.parametrize("name", _OF_A_PROCESS)
def test_what_is_said_to_one_process_stays_there(name: str) -> None:
    assert belongs_to_process(name)


@pytest.mark.parametrize("name", _OF_A_DRIVER)
def test_all_else_is_for_tasks_too(name: str) -> None:
    assert not belongs_to_process(name)

"""What is submitted for a run of a pool with jobs."""

from __future__ import annotations

import pytest

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.work_pools import DockerPlace, KubernetesPlace, WorkPool
from orchestra_nb.operations.job_templates import render_job
from tests.store.stored_examples import run_of


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://me:hunter2@db/x", "postgresql+psycopg://me@db/x?password=hunter2"]
)
def test_the_password_of_the_store_does_not_stand_in_a_job_of_kubernetes(url: str) -> None:
    job: dict[str, object] = {"image": "a:1"}
    from_secret = {**job, "env": {"ORCHESTRA_STORE_URL": {"secret": "store", "key": "url"}}}

    with pytest.raises(InvalidInput, match="Put it into a secret of Kubernetes") as refused:
        render_job(WorkPool(name="cloud", place=KubernetesPlace(job=job)), {}, run_of("1"), "me", url)
    rendered = render_job(WorkPool(name="cloud", place=KubernetesPlace(job=from_secret)), {}, run_of("1"), "me", url)

    assert "hunter2" not in f"{refused.value} {rendered}"


@pytest.mark.parametrize(
    ("more", "url", "found"),
    [
        ({}, "sqlite:////data/o.db", None),
        ({"volumes": ["/elsewhere:/elsewhere"]}, "sqlite:////data/o.db", None),
        ({"volumes": ["/data:/data:ro"]}, "sqlite:////data/../data/o.db", "sqlite:////data/o.db"),
        (
            {"extra_arguments": ["--mount=type=bind,src=/data,dst=/data"]},
            "sqlite:////data/o.db",
            "sqlite:////data/o.db",
        ),
        ({"env": {"ORCHESTRA_STORE_URL": "sqlite:////in/o.db"}}, "sqlite:////data/o.db", "sqlite:////in/o.db"),
        ({}, "postgresql://me@db/x", "postgresql://me@db/x"),
    ],
)
def test_a_container_that_would_not_see_the_file_of_the_store_is_refused(
    more: dict[str, object], url: str, found: str | None
) -> None:
    pool = WorkPool(name="boxes", place=DockerPlace(job={"image": "a:1", **more}))

    if found is None:
        with pytest.raises(
            InvalidInput, match=r"Pool boxes: volumes: a container does not see the store, .*/data/o.db"
        ):
            render_job(pool, {}, run_of("1"), "me", url)
    else:
        assert render_job(pool, {}, run_of("1"), "me", url).environ["ORCHESTRA_STORE_URL"] == found

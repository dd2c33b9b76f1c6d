"""Containers of runs: what they may be like, and the words of ``docker run``."""

from __future__ import annotations

import pytest

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.docker_jobs import docker_arguments, docker_environment, read_docker_job


def test_a_container_is_written_as_words_without_the_values_of_its_variables() -> None:
    job = read_docker_job(
        {
            "image": "registry.example.org:5000/team/flows:1.2",
            "env": {"TOKEN": "s3cret", "N": 2, "FROM_WORKER": None},
            "volumes": ["/data:/data:ro"],
            "mem_limit": "2g",
            "cpus": 1.5,
            "labels": {"team": "ml"},
            "extra_arguments": ["--read-only"],
        },
        "pool p",
    )

    words = docker_arguments(job, name="orchestra-a", run_id="r1", claimant="w1", labels={"run": "r1"})

    assert " ".join(words) == (
        "docker run --init --rm --name orchestra-a --pull missing --memory 2g --cpus 1.5 --stop-timeout 10 "
        "--label team=ml --label run=r1 --env TOKEN --env N --env FROM_WORKER --volume /data:/data:ro --read-only "
        "registry.example.org:5000/team/flows:1.2 python -m orchestra_nb.operations.deployed_job r1 w1"
    )
    assert docker_environment(job) == {"TOKEN": "s3cret", "N": "2"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "pool p: image: it is missing."),
        ({"image": "UPPER"}, "pool p: image: 'UPPER' names none."),
        ({"image": "a b"}, "pool p: image: 'a b' names none."),
        ({"image": "x:1", "imige": 1}, "pool p: there is no job variable 'imige'. They are image, command,"),
        ({"image": "x:1", "env": {"1A": "x"}}, "pool p: env: '1A' is no name of a variable."),
        ({"image": "x:1", "mem_limit": "lots"}, "pool p: mem_limit: 'lots' is no size."),
        ({"image": "x:1", "volumes": ["/data"]}, "pool p: volumes: '/data' is none."),
        ({"image": "x:1", "volumes": ["a:b"]}, "pool p: volumes: 'a:b' is none."),
        ({"image": "x:1", "cpus": 0}, "pool p: cpus: a number above 0, not 0."),
        ({"image": "x:1", "command": []}, "pool p: command: it is empty."),
        ({"image": "x:1", "image_pull_policy": "Always"}, "pool p: image_pull_policy: Invalid enum value 'Always'"),
        ({"image": "x:1", "working_dir": "data"}, "pool p: working_dir: a path in the container begins with /"),
    ],
)
def test_what_docker_would_refuse_is_named_by_its_field(variables: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_docker_job(variables, "pool p")

    assert message in str(refusal.value)

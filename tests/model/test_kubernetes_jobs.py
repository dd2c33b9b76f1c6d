"""Jobs of runs in Kubernetes: what they may be like, and their manifest."""

from __future__ import annotations

import pytest

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.kubernetes_jobs import job_manifest, job_name, read_kubernetes_job

IMAGE = {"image": "ghcr.io/me/flows:1"}


def test_a_job_runs_once_and_says_no_more_than_was_asked_for() -> None:
    job = read_kubernetes_job(IMAGE, "pool p")

    manifest = job_manifest(job, name="orchestra-a", run_id="r1", claimant="w1", labels={"orchestra-nb/run-id": "r1"})

    labels = {"orchestra-nb/run-id": "r1"}
    assert manifest == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "orchestra-a", "namespace": "default", "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 600,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 30,
                    "containers": [
                        {
                            "name": "run",
                            "image": "ghcr.io/me/flows:1",
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["python", "-m", "orchestra_nb.operations.deployed_job", "r1", "w1"],
                        }
                    ],
                },
            },
        },
    }


def test_what_a_job_asks_for_stands_where_kubernetes_looks_for_it() -> None:
    job = read_kubernetes_job(
        {
            **IMAGE,
            "namespace": "flows",
            "env": {"A": 1, "B": {"secret": "db", "key": "url"}},
            "env_from_secrets": ["more"],
            "service_account_name": "runner",
            "image_pull_secrets": ["registry"],
            "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": 1}},
            "volumes": [
                {"path": "/data", "persistent_volume_claim": "data", "read_only": True},
                {"path": "/tmp/x", "empty_dir": True},
            ],
            "node_selector": {"pool": "gpu"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "active_deadline_seconds": 60,
            "pod": {"priorityClassName": "low"},
        },
        "pool p",
    )

    spec = job_manifest(job, name="n", run_id="r", claimant="w", labels={})["spec"]

    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["activeDeadlineSeconds"] == 60
    assert container["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}},
    ]
    assert container["envFrom"] == [{"secretRef": {"name": "more"}}]
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"nvidia.com/gpu": "1"},
    }
    assert container["volumeMounts"] == [
        {"name": "volume-0", "mountPath": "/data", "readOnly": True},
        {"name": "volume-1", "mountPath": "/tmp/x"},
    ]
    assert pod["volumes"] == [
        {"name": "volume-0", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "volume-1", "emptyDir": {}},
    ]
    assert (pod["serviceAccountName"], pod["imagePullSecrets"]) == ("runner", [{"name": "registry"}])
    assert (pod["nodeSelector"], pod["priorityClassName"]) == ({"pool": "gpu"}, "low")
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"namespace": "My_Team"}, "pool p: namespace: 'My_Team' is no name in Kubernetes"),
        ({"service_account_name": "a/b"}, "pool p: service_account_name: 'a/b' is no name"),
        ({"labels": {"a b": "x"}}, "pool p: labels: 'a b' is no key"),
        ({"labels": {"a": "x y"}}, "pool p: labels: 'x y' of a is no value"),
        ({"resources": {"requests": {"memory": "2 GB"}}}, "pool p: resources.requests.memory: '2 GB' is no quantity"),
        ({"resources": {"request": {}}}, "pool p: resources: Object contains unknown field `request`"),
        ({"volumes": [{"path": "/a"}]}, "pool p: volumes[0]: it is one of persistent_volume_claim"),
        ({"volumes": [{"path": "a", "empty_dir": True}]}, "pool p: volumes[0].path: a path begins with /"),
        ({"backoff_limit": -1}, "pool p: backoff_limit: 0 or more, not -1"),
        ({"active_deadline_seconds": 0}, "pool p: active_deadline_seconds: 1 or more, not 0"),
        ({"pod": {"containers": []}}, "pool p: pod: containers are made from image"),
    ],
)
def test_what_kubernetes_would_refuse_is_named_by_its_field(variables: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_kubernetes_job({**IMAGE, **variables}, "pool p")

    assert message in str(refusal.value)


def test_each_attempt_has_a_name_that_kubernetes_takes_whatever_its_run_is_called() -> None:
    names = [job_name("Ein läng" + "er" * 40, "0" * 24 + "2E3F4A5B", epoch) for epoch in (1, 2)]

    assert len(set(names)) == 2
    assert all(len(name) <= 63 and name.replace("-", "").isalnum() and name.isascii() for name in names)

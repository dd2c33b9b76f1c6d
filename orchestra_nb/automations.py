"""Automations in Python: Prefect's module name. ``Automation(name=…, trigger=RunTrigger(…), actions=[…]).create()``."""

from __future__ import annotations

from orchestra_nb.operations.python_automations import Automation
from orchestra_nb.operations.python_triggers import (
    CallWebhook,
    CancelFlowRun,
    CompoundTrigger,
    EmitEvent,
    EventTrigger,
    FileTrigger,
    MetricTrigger,
    MoveDeployment,
    PauseDeployment,
    PauseWorkPool,
    Posture,
    ResumeDeployment,
    ResumeWorkPool,
    RetryFlowRun,
    RunDeployment,
    RunTrigger,
    SendNotification,
    SequenceTrigger,
    SuspendFlowRun,
)

#: Triggers of ``flow.deploy(triggers=[…])`` are triggers like all others.
DeploymentEventTrigger = EventTrigger
DeploymentCompoundTrigger = CompoundTrigger
DeploymentSequenceTrigger = SequenceTrigger
DeploymentMetricTrigger = MetricTrigger

__all__ = [
    "Automation",
    "CallWebhook",
    "CancelFlowRun",
    "CompoundTrigger",
    "DeploymentCompoundTrigger",
    "DeploymentEventTrigger",
    "DeploymentMetricTrigger",
    "DeploymentSequenceTrigger",
    "EmitEvent",
    "EventTrigger",
    "FileTrigger",
    "MetricTrigger",
    "MoveDeployment",
    "PauseDeployment",
    "PauseWorkPool",
    "Posture",
    "ResumeDeployment",
    "ResumeWorkPool",
    "RetryFlowRun",
    "RunDeployment",
    "RunTrigger",
    "SendNotification",
    "SequenceTrigger",
    "SuspendFlowRun",
]

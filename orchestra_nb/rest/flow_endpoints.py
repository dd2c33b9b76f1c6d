"""Flows: how they have done of late, and what became of their tasks run by run."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from orchestra_nb.operations import flow_views
from orchestra_nb.operations.flow_views import FlowDetails, FlowSummary
from orchestra_nb.rest.endpoint import Area, Call, Limit
from orchestra_nb.rest.pages import NamesQuery, page_by_name
from orchestra_nb.rest.run_notebooks import RunNotebook, place_of_notebook

area = Area("flows")

_FOLLOWING = "The `next` of the page before."


class FlowsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of the flows."""

    limit: Limit = 100
    after: Annotated[str | None, Meta(description=_FOLLOWING)] = None


class FlowsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Flows, by name."""

    flows: tuple[FlowSummary, ...]
    next: str | None


class FlowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the history of a flow."""

    runs: Annotated[int, Meta(ge=1, le=50, description="At most so many of its newest runs.")] = 30
    notebook: RunNotebook = None


@area.get("/flows")
def list_flows(call: Call, query: FlowsQuery) -> FlowsAnswer:
    """List the flows that have run or are deployed, by name, with their last outcomes and when they are due next."""
    every = flow_views.flow_names(call.store)
    names, following = page_by_name(every, NamesQuery(limit=query.limit, after=query.after), str)
    return FlowsAnswer(flows=flow_views.flow_summaries(call.store, names, call.now), next=following)


@area.get("/flows/{flow}")
def show_flow(call: Call, flow: str, query: FlowQuery) -> FlowDetails:
    """Show a flow: its last runs, and what became of each of its tasks in them."""
    notebook = place_of_notebook(call, query.notebook)
    return flow_views.show_flow(call.store, flow, call.now, most_runs=query.runs, notebook=notebook)

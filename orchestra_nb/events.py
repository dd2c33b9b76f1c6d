"""Users' events: ``from orchestra_nb.events import emit_event``. Names only, and who answers outside of runs."""

from __future__ import annotations

from orchestra_nb.engine.event_emission import aemit_event, emit_event
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.operations.run_services import answer_from_configured_store

answer_from_configured_store()

__all__ = ["CustomEvent", "aemit_event", "emit_event"]

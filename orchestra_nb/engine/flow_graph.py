"""A flow as a graph of the tasks that it calls, and the graph as a drawing of text: what ``flow.visualize()`` shows.

The drawing has one line for each task, in the order of the calls, and a lane of line characters for each task that
others still wait for, as version control systems draw their history.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
#: Directions in which a character has a line, to the character.
_LINES = {
    0: " ",
    _UP | _DOWN: "│",
    _LEFT | _RIGHT: "─",
    _UP | _RIGHT: "╰",
    _UP | _LEFT: "╯",
    _DOWN | _RIGHT: "╭",
    _DOWN | _LEFT: "╮",
    _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤",
    _UP | _LEFT | _RIGHT: "┴",
    _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One call of a task or of a subflow; all calls of one ``.map`` are one node.

    Parameters
    ----------
    node_id
        Unique in the graph.
    label
        What people read: the name of the run, or the task's name with the number of mapped calls.
    kind
        ``"task"``, ``"mapped"`` or ``"flow"``.
    upstream
        Ids of the nodes whose values or ends it needs, each once, in the order of its arguments.
    """

    node_id: str
    label: str
    kind: str
    upstream: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """The tasks that a flow calls, in the order of the calls: what a node needs comes before it."""

    flow_name: str
    nodes: tuple[GraphNode, ...] = ()

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Pairs of (id of what is needed, id of what needs it)."""
        return [(start, node.node_id) for node in self.nodes for start in node.upstream]

    def text(self) -> str:
        """Return a drawing for people.

        Examples
        --------
        >>> load, clean = GraphNode("1", "load-0", "task"), GraphNode("2", "clean × 3", "mapped", ("1",))
        >>> print(FlowGraph("report", (load, clean, GraphNode("3", "fit-0", "task", ("1", "2")))).text())
        report
        ●   load-0
        ├─╮
        │ ● clean × 3
        ├─╯
        ●   fit-0
        """
        return "\n".join([self.flow_name, *_draw(self.nodes)]) if self.nodes else f"{self.flow_name}: calls no task"


def _draw(nodes: Sequence[GraphNode]) -> list[str]:
    left = {node.node_id: 0 for node in nodes}
    for node in nodes:
        for start in node.upstream:
            left[start] += 1
    lanes = _Lanes()
    rows: list[tuple[str, str]] = []
    for node in nodes:
        sources = {lanes.lane_of(start): start for start in node.upstream}
        for start in node.upstream:
            left[start] -= 1
        ending = sorted(lane for lane, start in sources.items() if not left[start])
        before = lanes.used
        for lane in ending:
            lanes.free(lane)
        own = ending[0] if ending else lanes.first_free()
        if sources:
            rows.append((_connectors(before, lanes.used | {own}, set(sources), own), ""))
        rows.append((_marks(lanes.used, own), node.label))
        if left[node.node_id]:
            lanes.take(own, node.node_id)
    width = max(len(marks) for marks, _ in rows)
    return [f"{marks:<{width}} {label}".rstrip() for marks, label in rows]


@dataclass(slots=True)
class _Lanes:
    """Which columns hold the line of a task that others still need."""

    _tasks: dict[int, str] = field(default_factory=dict)

    @property
    def used(self) -> set[int]:
        return set(self._tasks)

    def lane_of(self, node_id: str) -> int:
        return next(lane for lane, task in self._tasks.items() if task == node_id)

    def first_free(self) -> int:
        return next(lane for lane in range(len(self._tasks) + 1) if lane not in self._tasks)

    def take(self, lane: int, node_id: str) -> None:
        self._tasks[lane] = node_id

    def free(self, lane: int) -> None:
        del self._tasks[lane]


def _connectors(before: set[int], after: set[int], sources: set[int], own: int) -> str:
    """Return the row that leads from the lanes of what a task needs to its own."""
    first, last = min(sources | {own}), max(sources | {own})
    row = ""
    for lane in range(max(before | after) + 1):
        is_joined = lane in sources or lane == own
        lines = (_UP if lane in before else 0) | (_DOWN if lane in after else 0)
        if first < last and is_joined:
            lines |= (_LEFT if lane > first else 0) | (_RIGHT if lane < last else 0)
        elif first < lane < last and not lines:
            lines = _LEFT | _RIGHT
        row += _LINES[lines] + ("─" if first <= lane < last else " ")
    return row.rstrip()


def _marks(used: set[int], own: int) -> str:
    """Return the row of a task: its mark, and the lanes that pass by."""
    lanes = range(max(used | {own}) + 1)
    return " ".join("●" if lane == own else "│" if lane in used else " " for lane in lanes)


_show: Callable[[FlowGraph], None] | None = None


def set_graph_display(show: Callable[[FlowGraph], None]) -> None:
    """Say what shows graphs to whoever sits at this process; called by the floors above."""
    global _show
    _show = show


def show_graph(graph: FlowGraph) -> None:
    """Show a graph: as a display in a notebook, else as text."""
    if _show is not None:
        _show(graph)
    else:
        sys.stdout.write(f"{graph.text()}\n")

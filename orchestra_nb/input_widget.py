"""The form under the cell of a flow that waits for people: ipywidgets, so that every Jupyter front end shows it.

While the flow waits its cell runs, and :class:`~orchestra_nb.notebooks.comm_pump.CommPump` brings what the widgets say.
When the question is answered, here or anywhere else, static HTML stands in the form's place and the widgets are closed,
so that no widget state is left in the notebook.
"""

from __future__ import annotations

import html
import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from datetime import time as clock_time
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE
from orchestra_nb.engine.input_forms import AnswerProblem
from orchestra_nb.engine.question_forms import OpenQuestion, QuestionForm
from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.form_fields import MISSING, FieldKind, FormField, form_fields, shown_text, written_value
from orchestra_nb.model.states import State
from orchestra_nb.model.typed_runs import typed_name
from orchestra_nb.notebooks.comm_pump import CommPump
from orchestra_nb.run_display import APPEARANCE

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_log = logging.getLogger(__name__)

VIEW_MIME: Final = "application/vnd.jupyter.widget-view+json"

#: Seconds between two looks for what the widgets say, while a cell waits: too short to be felt.
_LOOK_SECONDS = 0.05

#: Words for what became of a question to the state that they look like.
_LOOKS = {"Resumed": State.COMPLETED, "Cancelled": State.CANCELLED, "Timed out": State.TIMED_OUT}


def show_form(question: OpenQuestion) -> QuestionForm | None:
    """Show the form of a question under the cell that runs now; None where no front end can show one."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    if shell is None or not hasattr(shell, "kernel") or RUN_ID_VARIABLE in os.environ:
        return None
    form = InputWidget(question, shell)
    try:
        form.open()
    except BaseException:  # an interrupt, too: no widget stays that nobody closes
        form.close(None, "Cancelled")
        raise
    return form


class InputWidget:
    """One question as a form; a :class:`~orchestra_nb.engine.question_forms.QuestionForm`.

    Thread safety: the widgets' callbacks come in the main thread of the kernel or in that of a subshell; the flow waits
    in its own. The form closes once.
    """

    def __init__(self, question: OpenQuestion, shell: InteractiveShell) -> None:
        import ipywidgets

        self._question = question
        self._shell = shell
        self._kernel = shell.kernel  # type: ignore[attr-defined]
        self._pump = _pump_of(self._kernel)
        self._display_id = f"orchestra-input-{secrets.token_hex(8)}"
        self._used = threading.Event()
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_pumping = False
        schema = None if question.asked.form is None else question.asked.form.schema
        self._rows = [_FieldRow(field) for field in ([] if schema is None else form_fields(schema))]
        self._trouble = ipywidgets.HTML()
        self._resume = ipywidgets.Button(description="Resume", button_style="primary", icon="play")
        self._resume.on_click(lambda _: self._answer())
        buttons = [self._resume]
        self._cancel: Any = None
        if question.cancel is not None:
            self._cancel = ipywidgets.Button(description="Cancel", icon="ban", tooltip="Cancel this flow run")
            self._cancel.on_click(lambda _: self._cancel_run())
            buttons.append(self._cancel)
        self._box = ipywidgets.VBox(
            [
                ipywidgets.HTML(_COLOURS + _head(question, _PAUSE_ICON, "var(--orc-paused)")),
                *(row.box for row in self._rows),
                self._trouble,
                ipywidgets.HBox(buttons, layout=ipywidgets.Layout(margin="4px 0 0 0")),
            ],
            layout=ipywidgets.Layout(padding="4px 0 8px 0", max_width="720px"),
        )
        self._box.add_class("orchestra-input")

    def open(self) -> None:
        """Show it."""
        bundle = {
            VIEW_MIME: {"version_major": 2, "version_minor": 0, "model_id": self._box.model_id},
            "text/html": _waiting_html(self._question),
            "text/plain": _waiting_text(self._question),
        }
        if not self._question.is_suspended:
            self._pump.start()
            self._is_pumping = True
        self._publish(bundle, update=False)

    def attend(self, seconds: float) -> bool:
        """Wait so long, letting people use the form meanwhile; True at once when they have used it."""
        deadline = time.monotonic() + seconds
        while True:
            self._pump.run()
            if self._used.is_set():
                self._used.clear()
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, _LOOK_SECONDS))

    def close(self, answer: object, words: str) -> None:
        """Put what became of the question in the form's place, and take the widgets away. May be called again."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        if self._is_pumping:
            self._pump.stop()
        fields = [row.field for row in self._rows] if words != "Cancelled" and words != "Timed out" else []
        text = _ended_text(self._question, fields, answer, words)
        bundle = {"text/html": _ended_html(self._question, fields, answer, words), "text/plain": text}
        self._publish(bundle, update=True)
        _close_all(self._box)

    # --- what people do

    def _answer(self) -> None:
        self._show_problems([])
        value, problems = self._written()
        if problems:
            self._show_problems(problems)
            return
        self._resume.disabled = True
        try:
            problems = list(self._question.answer(value))
        except OrchestraError as error:
            problems = [AnswerProblem((), str(error))]
        finally:
            self._resume.disabled = False
        if problems:
            self._show_problems(problems)
        elif self._question.is_suspended:
            _run_again(self._question)
            self.close(value, "Resumed")
        else:
            self._resume.disabled = True
            self._used.set()

    def _cancel_run(self) -> None:
        assert self._question.cancel is not None
        self._cancel.disabled = self._resume.disabled = True
        self._used.set()
        self._question.cancel()

    def _written(self) -> tuple[object, list[AnswerProblem]]:
        """Return what is written in the fields as an answer, and what cannot be one."""
        values: dict[str, object] = {}
        problems = []
        for row in self._rows:
            place = (row.field.name,)
            try:
                value = row.value()
            except ValueError as error:
                problems.append(AnswerProblem(place, str(error)))
                continue
            if value is not MISSING:
                values[row.field.name] = value
            elif row.field.is_required:
                problems.append(AnswerProblem(place, row.missing_words()))
        is_whole = len(self._rows) == 1 and self._rows[0].field.name == ""
        return (values.get("") if is_whole else values if self._rows else None), problems

    def _show_problems(self, problems: Sequence[AnswerProblem]) -> None:
        """Show each at its field; what belongs to none, above the buttons."""
        rows = {row.field.name: row for row in self._rows}
        of_row: dict[str, list[str]] = {name: [] for name in rows}
        others = []
        for problem in problems:
            name = str(problem.place[0]) if problem.place and "" not in rows else ""
            if name in of_row:
                within = ".".join(map(str, problem.place[1:]))
                of_row[name].append(f"{within}: {problem.message}" if within else problem.message)
            else:
                others.append(problem.message)
        for name, row in rows.items():
            row.show_problem("; ".join(of_row[name]))
        self._trouble.value = _problem_html("; ".join(others))

    def _publish(self, bundle: Mapping[str, object], *, update: bool) -> None:
        self._shell.display_pub.publish(dict(bundle), {}, transient={"display_id": self._display_id}, update=update)


class _FieldRow:
    """One field: its label, its control, what it says about itself, and what is wrong with what was written."""

    def __init__(self, field: FormField) -> None:
        import ipywidgets

        self.field = field
        self._control, self._read = _control(field)
        self._control.description = f"{field.label}{' *' if field.is_required else ''}"
        self._control.style.description_width = "130px"
        self._control.layout.width = "min(100%, 530px)"
        self._problem = ipywidgets.HTML()
        self._problem.layout.display = "none"
        parts = [self._control]
        if field.description:
            said = html.escape(field.description)
            parts.append(ipywidgets.HTML(f'<div style="{_UNDER};opacity:.75">{said}</div>'))
        self.box = ipywidgets.VBox([*parts, self._problem], layout=ipywidgets.Layout(margin="0 0 4px 0"))

    def value(self) -> object:
        """Return what is written, as JSON has it; MISSING where nothing is.

        Raises
        ------
        ValueError
            It is no value of this kind; the message is for people.
        """
        return written_value(self.field, self._read())

    def missing_words(self) -> str:
        """Return what to say where nothing was written."""
        return "Choose one." if self.field.kind is FieldKind.CHOICE else "Fill this in."

    def show_problem(self, words: str) -> None:
        """Show what is wrong; nothing when it is empty."""
        self._problem.value = _problem_html(words, _UNDER)
        self._problem.layout.display = None if words else "none"


_UNDER: Final = "margin-left:138px;line-height:1.35"


def _control(field: FormField) -> tuple[Any, Callable[[], object]]:
    """Return the widget of a field, and what reads it: text, or a value of JSON's types."""
    import ipywidgets

    start = shown_text(field, field.default)
    match field.kind:
        case FieldKind.BOOLEAN:
            box = ipywidgets.Checkbox(value=bool(field.default is not MISSING and field.default), indent=True)
            return box, lambda: box.value
        case FieldKind.CHOICE:
            options: list[tuple[str, object]] = [(_choice_words(choice), choice) for choice in field.choices]
            if field.is_nullable:
                options.insert(0, ("none", None))
            if field.default is MISSING and not field.is_nullable:
                options.insert(0, ("Choose…", MISSING))
            menu = ipywidgets.Dropdown(options=options, value=options[0][1])
            if any(field.default == value for _, value in options):
                menu.value = field.default
            return menu, lambda: menu.value
        case FieldKind.DATE:
            day = ipywidgets.DatePicker(value=_parsed(date, field.default))
            return day, lambda: day.value.isoformat() if day.value is not None else ""
        case FieldKind.TIME:
            clock = ipywidgets.TimePicker(value=_parsed(clock_time, field.default), step=1)
            return clock, lambda: clock.value.isoformat() if clock.value is not None else ""
        case FieldKind.DATETIME:
            line = ipywidgets.Text(value=start, placeholder="2026-03-01T08:00:00")
            return line, lambda: line.value.strip()
        case FieldKind.LINES:
            lines = ipywidgets.Textarea(value=start, placeholder="one a line", rows=3)
            return lines, lambda: lines.value
        case FieldKind.JSON:
            text = ipywidgets.Textarea(value=start, placeholder='JSON, such as {"a": 1}', rows=3)
            return text, lambda: text.value
        case FieldKind.SECRET:
            secret = ipywidgets.Password(value=start)
            return secret, lambda: secret.value
        case FieldKind.INTEGER | FieldKind.NUMBER | FieldKind.TEXT:
            word = ipywidgets.Text(value=start)
            return word, lambda: word.value


def _choice_words(choice: object) -> str:
    if isinstance(choice, bool):
        return "yes" if choice else "no"
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)


def _parsed(kind: Any, default: object) -> Any:
    try:
        return kind.fromisoformat(default) if isinstance(default, str) else None
    except ValueError:
        return None


def _run_again(question: OpenQuestion) -> None:
    """Start a suspended run again, in a process of its own: it has left this one."""
    subprocess.Popen(
        [sys.executable, "-P", "-m", "orchestra_nb", "--local", "runs", "resume", question.run_id],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


# --- what is shown


#: Colours with a contrast of 4.5:1 on light and on dark themes, of JupyterLab, VS Code and Colab; and the arrow of a
#: menu, which ipywidgets draw black on all of them.
_COLOURS: Final = (
    "<style>.orchestra-input{--orc-paused:#b45309;--orc-problem:#b71c1c}"
    "body[data-jp-theme-light=false] .orchestra-input,body.vscode-dark .orchestra-input,"
    "html[theme=dark] .orchestra-input{--orc-paused:#ffb74d;--orc-problem:#ef5350;--jp-widgets-dropdown-arrow:"
    "url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E"
    "%3Cpath fill='%23bdbdbd' d='M5.2 5.9 9 9.7l3.8-3.8 1.2 1.2-5 5-5-5z'/%3E%3C/svg%3E\")}</style>"
)

#: Two bars: many systems have no font with the character for a pause.
_PAUSE_ICON: Final = (
    '<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" style="vertical-align:-1px">'
    '<path fill="currentColor" d="M2 1h3v10H2zM7 1h3v10H7z"/></svg>'
)


def _head(question: OpenQuestion, icon: str, colour: str) -> str:
    word = "Suspended" if question.is_suspended else APPEARANCE[State.PAUSED][1]
    line = _line(icon, word, colour, question)
    said = html.escape(question.asked.description)
    return f'{line}<div style="margin:0 0 4px 0">{said}</div>' if said else line


def _line(icon: str, word: str, colour: str, question: OpenQuestion) -> str:
    return (
        f'<div style="line-height:28px"><span style="color:{colour};font-weight:600">{icon}&nbsp;{word}</span>'
        f'<b style="margin-left:.8em">{html.escape(question.flow_name)}</b>'
        f'<span style="margin-left:.8em;opacity:.75">{html.escape(question.run_name)}</span></div>'
    )


def _waiting_html(question: OpenQuestion) -> str:
    """Return what stands for the form where there are no widgets."""
    icon, _, colour = APPEARANCE[State.PAUSED]
    return f"{_head(question, icon, colour)}<div>Answer in a shell: <code>{html.escape(question.command)}</code></div>"


def _waiting_text(question: OpenQuestion) -> str:
    icon, word, _ = APPEARANCE[State.PAUSED]
    return f"{icon} {question.flow_name} {question.run_name}  {word}. Answer in a shell: {question.command}"


def _ended_html(question: OpenQuestion, fields: Sequence[FormField], answer: object, words: str) -> str:
    icon, _, colour = APPEARANCE[_LOOKS[words]]
    rows = "".join(
        f'<tr><td style="text-align:left;opacity:.75">{html.escape(label)}</td>'
        f'<td style="text-align:left;white-space:pre-wrap">{html.escape(text)}</td></tr>'
        for label, text in _answered(fields, answer)
    )
    table = f'<table style="margin-left:0">{rows}</table>' if rows else ""
    return f"{_line(icon, words, colour, question)}{table}{_after_html(question, words)}"


def _after_html(question: OpenQuestion, words: str) -> str:
    if not question.is_suspended or words != "Resumed":
        return ""
    command = html.escape(f"orchestra runs show {typed_name(question.run_name, question.run_id)}")
    return f"<div>It goes on in a process of its own: <code>{command}</code></div>"


def _ended_text(question: OpenQuestion, fields: Sequence[FormField], answer: object, words: str) -> str:
    icon, _, _ = APPEARANCE[_LOOKS[words]]
    lines = [f"{icon} {question.flow_name} {question.run_name}  {words}"]
    return "\n".join([*lines, *(f"  {label}: {text}" for label, text in _answered(fields, answer))])


def _answered(fields: Sequence[FormField], answer: object) -> list[tuple[str, str]]:
    """Return label and text of each field that has an answer; secrets stay secret."""
    shown = []
    for field in fields:
        value = answer if field.name == "" else answer.get(field.name, MISSING) if isinstance(answer, dict) else MISSING
        if value is not MISSING:
            shown.append((field.label, "••••" if field.kind is FieldKind.SECRET else shown_text(field, value)))
    return shown


def _problem_html(words: str, style: str = "line-height:1.35") -> str:
    if not words:
        return ""
    return f'<div role="alert" style="{style};color:var(--orc-problem)">{html.escape(words)}</div>'


# --- widgets


_pumps: dict[int, CommPump] = {}


def _pump_of(kernel: Any) -> CommPump:
    return _pumps.setdefault(id(kernel), CommPump(kernel))


def _close_all(widget: Any) -> None:
    """Close a widget with what it holds: layout and style are widgets of their own, with a state of their own."""
    for child in getattr(widget, "children", ()):
        _close_all(child)
    for part in (getattr(widget, "style", None), widget.layout, widget):
        if part is not None:
            part.close()

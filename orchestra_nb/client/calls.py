"""The calls of the REST API, a method for each endpoint; written by ``make client`` from the endpoints themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import date, datetime
    from typing import Literal

    from orchestra_nb.model.artifacts import StoredArtifact
    from orchestra_nb.model.audit import Outcome, Via
    from orchestra_nb.model.dead_letters import DeadLetter, LetterState
    from orchestra_nb.model.limits import ConcurrencyLimit
    from orchestra_nb.model.notifications import NotificationRule, Occasion
    from orchestra_nb.model.outbox import Channel, Delivery, DeliveryState
    from orchestra_nb.model.run_inputs import RunInput
    from orchestra_nb.model.runs import Run, RunKind
    from orchestra_nb.model.states import State
    from orchestra_nb.model.variables import StoredVariable
    from orchestra_nb.model.webhooks import Receipt, ReceiptState, WebhookScheme
    from orchestra_nb.operations.alerts import Alerts
    from orchestra_nb.operations.automation_reader import TriggerForm
    from orchestra_nb.operations.automations import AutomationDetails, MadeAutomation
    from orchestra_nb.operations.backfill import Backfill
    from orchestra_nb.operations.deployment_files import FileSchedule
    from orchestra_nb.operations.deployment_views import DeploymentDetails
    from orchestra_nb.operations.executed_notebook import ExecutedNotebook
    from orchestra_nb.operations.flow_views import FlowDetails
    from orchestra_nb.operations.kept_artifacts import AssetDetails
    from orchestra_nb.operations.notebook_cells import NotebookCells
    from orchestra_nb.operations.notebook_plan import NotebookPlan
    from orchestra_nb.operations.notifications import ChannelTest
    from orchestra_nb.operations.run_statistics import StatisticsReport
    from orchestra_nb.operations.run_views import RunSummary
    from orchestra_nb.operations.runs import LogPage
    from orchestra_nb.operations.schedule_preview import SchedulePreview
    from orchestra_nb.operations.work_pools import ShownJob
    from orchestra_nb.rest.audit_endpoints import AuditPage
    from orchestra_nb.rest.automation_endpoints import AutomationText, DryRunAnswer, NamedAutomation, ReadAutomation
    from orchestra_nb.rest.common_answers import Deleted
    from orchestra_nb.rest.dead_letter_endpoints import LetterInputs
    from orchestra_nb.rest.deploying_endpoints import DeployAnswer, FileAnswer
    from orchestra_nb.rest.deployment_endpoints import (
        DeletedDeployment,
        DeploymentsAnswer,
        RolledBack,
        Standing,
        Updated,
        VersionsAnswer,
    )
    from orchestra_nb.rest.flow_endpoints import FlowsAnswer
    from orchestra_nb.rest.follow_up_endpoints import (
        AutomationsAnswer,
        AutomationStanding,
        ChannelsAnswer,
        DeliveriesAnswer,
        FiringsAnswer,
        LettersAnswer,
        ReceiptsAnswer,
        TrialAnswer,
        WebhooksAnswer,
    )
    from orchestra_nb.rest.identity_endpoints import Identity
    from orchestra_nb.rest.notebook_endpoints import ParametersAnswer
    from orchestra_nb.rest.overview_endpoints import ClustersAnswer
    from orchestra_nb.rest.pool_endpoints import PoolKindsAnswer, PoolsAnswer, ShownPool
    from orchestra_nb.rest.rule_endpoints import AddedRule, RulesAnswer
    from orchestra_nb.rest.run_endpoints import (
        AttemptsAnswer,
        Cancelled,
        Resumption,
        RunAgain,
        RunAnswer,
        RunsPage,
        Suspended,
        TaskAttemptsAnswer,
        TasksAnswer,
        ValuesAnswer,
        ValueView,
    )
    from orchestra_nb.rest.run_parts_endpoints import ChildrenAnswer, InputsAnswer, NamesAnswer, SweepAnswer
    from orchestra_nb.rest.schedule_endpoints import ChangedSchedules, SchedulesAnswer
    from orchestra_nb.rest.shared_endpoints import (
        ArtifactsAnswer,
        AssetsAnswer,
        EventsAnswer,
        LimitsAnswer,
        SecretsAnswer,
        SecretSet,
        VariablesAnswer,
    )
    from orchestra_nb.rest.task_cell_endpoints import SourceAnswer, TaskLineAnswer
    from orchestra_nb.rest.token_endpoints import MadeToken, Revoked, TokensAnswer
    from orchestra_nb.rest.webhook_endpoints import ChangedWebhook, MadeWebhook, WebhookDetails


class Calls(ABC):
    """What can be asked of Orchestra, and done.

    Arguments that are left out are as the server has them. Errors are those of :mod:`orchestra_nb.exceptions`.
    """

    @abstractmethod
    def _call(
        self, name: str, path: Mapping[str, object], query: Mapping[str, object], body: Mapping[str, object] | None
    ) -> Any:
        """Call the endpoint of this name, and return its answer as its own type."""

    def list_runs(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        sort: Sequence[str] = (),
        state: Sequence[State | str] = (),
        kind: RunKind | str | None = None,
        flow: str | None = None,
        deployment: str | None = None,
        tag: str | None = None,
        owner: str | None = None,
        since: datetime | None = None,
        notebook: str | None = None,
        sweeps: bool = True,
    ) -> RunsPage:
        """List runs, the newest first, or in another order.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        before
            The `next` of the page before.
        sort
            Fields with commas, with - before one that descends: created_at, started_at, ended_at, name, flow_name,
            kind, state, deployment. Runs that lack one come last. Default: -created_at. `next` is of the same sort.
        state
            Only these states.
        kind
            Only runs of this kind.
        flow
            Only runs of this flow, or of the notebook of this name; * stands for anything.
        deployment
            Only runs of this deployment.
        tag
            Only runs with this tag.
        owner
            Only runs of this user; `me` for who calls.
        since
            Only runs made since.
        notebook
            Only runs of the notebook at this path: an absolute one, as in `notebook_path` of a run, or one below the
            server's root folder.
        sweeps
            Also each run of a sweep, which is listed as one else.
        """
        answer: RunsPage = self._call(
            "list_runs",
            {},
            {
                "limit": limit,
                "before": before,
                "sort": sort,
                "state": state,
                "kind": kind,
                "flow": flow,
                "deployment": deployment,
                "tag": tag,
                "owner": owner,
                "since": since,
                "notebook": notebook,
                "sweeps": sweeps,
            },
            None,
        )
        return answer

    def show_run(self, run: str, *, all_epochs: bool = False) -> RunAnswer:
        """Show a run, by its id or its name.

        A name means the newest run of that name.

        Needs the role viewer.

        Parameters
        ----------
        all_epochs
            Also the tasks from before it was retried or resumed.
        """
        answer: RunAnswer = self._call("show_run", {"run": run}, {"all_epochs": all_epochs}, None)
        return answer

    def list_tasks(self, run: str, *, after: str | None = None, limit: int = 1000) -> TasksAnswer:
        """List the task runs of a run, in the order of their creation.

        Needs the role viewer.

        Parameters
        ----------
        after
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: TasksAnswer = self._call("list_tasks", {"run": run}, {"after": after, "limit": limit}, None)
        return answer

    def list_attempts(self, run: str) -> AttemptsAnswer:
        """List how often a run was begun, who drove it where each time, what became of it, and its executed notebook.

        Needs the role viewer.
        """
        answer: AttemptsAnswer = self._call("list_attempts", {"run": run}, {}, None)
        return answer

    def list_task_attempts(self, run: str, *, after: str | None = None, limit: int = 500) -> TaskAttemptsAnswer:
        """List each attempt of those tasks of a run that were begun more than once.

        Of any other task the one attempt is what the task run itself says.

        Needs the role viewer.

        Parameters
        ----------
        after
            The `next` of the page before.
        limit
            At most those of so many tasks.
        """
        answer: TaskAttemptsAnswer = self._call(
            "list_task_attempts", {"run": run}, {"after": after, "limit": limit}, None
        )
        return answer

    def read_logs(self, run: str, *, task: str | None = None, after: int = 0, limit: int = 1000) -> LogPage:
        """Read the log lines of a run, in order.

        Needs the role viewer.

        Parameters
        ----------
        task
            Only those of this task run, by id or name.
        after
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: LogPage = self._call("read_logs", {"run": run}, {"task": task, "after": after, "limit": limit}, None)
        return answer

    def read_values(self, run: str) -> ValuesAnswer:
        """Read what a run recorded and returned; a large value stands as the place where it is kept.

        Needs the role viewer.
        """
        answer: ValuesAnswer = self._call("read_values", {"run": run}, {}, None)
        return answer

    def cancel_run(self, run: str) -> Cancelled:
        """Ask a run to stop.

        Needs the role runner.
        """
        answer: Cancelled = self._call("cancel_run", {"run": run}, {}, None)
        return answer

    def suspend_run(self, run: str) -> Suspended:
        """Ask the run of a flow to suspend itself before its next task.

        When it is resumed it is run again from its beginning, without the tasks whose results were persisted: a run of
        a deployment by those who serve its pool, any other by `orchestra runs resume` where its code is.

        Needs the role runner.
        """
        answer: Suspended = self._call("suspend_run", {"run": run}, {}, None)
        return answer

    def retry_run(
        self, run: str, *, note: str = "", from_cell: str | None = None, from_task: str | None = None
    ) -> RunAgain:
        """Have a run that failed, crashed, timed out or was cancelled run again.

        It is run again in the same run, without the tasks whose results were persisted and the cells that were cached;
        with `from_cell` or `from_task` also one that completed. One of a deployment waits in its pool; the notebook of
        one of none runs in a process of its own, where this machine has what it ran. Any other is run again by
        `orchestra runs retry`, where its code is.

        Needs the role runner.

        Parameters
        ----------
        note
            Why, for the run's history.
        from_cell
            The id or the number, counted from 1, of a cell of a notebook that ran with `cache`: the cells above are
            replayed from what was kept, and it and all below it run. A run that completed can be resumed so, too.
        from_task
            The name of a task of a flow, for all its runs, or of one run of it: that runs, and all that depends on it,
            and of the others kept results are taken. A run that completed can be resumed so, too.
        """
        answer: RunAgain = self._call(
            "retry_run", {"run": run}, {}, {"note": note, "from_cell": from_cell, "from_task": from_task}
        )
        return answer

    def read_resumption(self, run: str, *, cell: str | None = None, task: str | None = None) -> Resumption:
        """Read whether a run can be retried, or resumed by a retry with `from_cell` or `from_task`, and what that does.

        The forecast counts what runs again beside: of a flow the runs of tasks whose results are not kept, of a
        notebook the cells of which nothing was kept. It says whether the code is that of today (`current`), that of a
        notebook which has changed since (`notebook`), was deployed anew (`deployed`) or changed and not deployed
        (`undeployed`), or that of a flow as it was when the run began (`flow`); `command` runs that of today.

        Needs the role viewer.

        Parameters
        ----------
        cell
            The cell, as `from_cell` of a retry.
        task
            The task, as `from_task` of a retry.
        """
        answer: Resumption = self._call("read_resumption", {"run": run}, {"cell": cell, "task": task}, None)
        return answer

    def set_run_state(self, run: str, *, state: str, note: str = "") -> Run:
        """Set the state of a run by hand, where it has ended, is suspended, or its process has gone.

        It needs the role *author*: what the run says of itself is overruled, and automations and notifications follow
        as from any other end, but no retry of its deployment. Set to COMPLETED, its open dead letters are closed; set
        to FAILED or CRASHED after that, they are open again.

        Needs the role author.

        Parameters
        ----------
        state
            One of COMPLETED, FAILED, CANCELLED, CRASHED.
        note
            Why, for the run's history.
        """
        answer: Run = self._call("set_run_state", {"run": run}, {}, {"state": state, "note": note})
        return answer

    def resume_run(self, run: str, *, input: Any = None, key: str | None = None) -> RunAgain:
        """Let a paused run go on, with an answer where it asks for one.

        A suspended run of a deployment waits in its pool then; one of no deployment is resumed by `orchestra runs
        resume`, where its code is.

        Needs the role runner.

        Parameters
        ----------
        input
            The answer; null where it only asks to go on.
        key
            Which question, when the run waits for several.
        """
        answer: RunAgain = self._call("resume_run", {"run": run}, {}, {"input": input, "key": key})
        return answer

    def cancel_task(self, run: str, task: str) -> Cancelled:
        """Ask one task of a run to stop.

        Needs the role runner.
        """
        answer: Cancelled = self._call("cancel_task", {"run": run, "task": task}, {}, None)
        return answer

    def read_value(self, run: str, value: str) -> ValueView:
        """Read a value that a run returned, by its name.

        JSON of up to 4,000,000 bytes is answered whole; of anything else what stands for it, and where it is kept.

        Needs the role viewer.
        """
        answer: ValueView = self._call("read_value", {"run": run, "value": value}, {}, None)
        return answer

    def list_children(self, run: str, *, after: str | None = None, limit: int = 100) -> ChildrenAnswer:
        """List the runs that a run started, in the order of their creation.

        Needs the role viewer.

        Parameters
        ----------
        after
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: ChildrenAnswer = self._call("list_children", {"run": run}, {"after": after, "limit": limit}, None)
        return answer

    def show_sweep(self, run: str, *, after: int | None = None, limit: int = 500) -> SweepAnswer:
        """Show the table of a sweep: its combinations, and what their runs returned.

        Needs the role viewer.

        Parameters
        ----------
        after
            The `next` of the page before.
        limit
            At most so many rows.
        """
        answer: SweepAnswer = self._call("show_sweep", {"run": run}, {"after": after, "limit": limit}, None)
        return answer

    def list_inputs(self, run: str) -> InputsAnswer:
        """List what a run asks people for, with the answers that were given.

        Needs the role viewer.
        """
        answer: InputsAnswer = self._call("list_inputs", {"run": run}, {}, None)
        return answer

    def answer_input(self, run: str, *, value: Any = None, key: str | None = None) -> RunInput:
        """Answer what a run asks for; a run that waits goes on.

        One of a deployment that is suspended waits in its pool when all that it asks for is answered. One of no
        deployment stays suspended until `orchestra runs resume`, where its code is.

        Needs the role runner.

        Parameters
        ----------
        value
            Null where it only asks to go on.
        key
            Which question, when the run waits for several.
        """
        answer: RunInput = self._call("answer_input", {"run": run}, {}, {"value": value, "key": key})
        return answer

    def read_notebook_of_run(
        self, run: str, *, attempt: int | None = None, known: str | None = None
    ) -> ExecutedNotebook:
        """Read the executed notebook of a run, as far as it has come: code, state and outputs of each cell.

        Outputs are texts without colours, and pictures as base64; long ones are shortened. What a notebook shows as
        HTML or by a script is told as the text that stands beside it, or left out.

        Needs the role viewer.

        Parameters
        ----------
        attempt
            Default: the newest whose file is there.
        known
            The `version` that is known: `cells` is null while it holds.
        """
        answer: ExecutedNotebook = self._call(
            "read_notebook_of_run", {"run": run}, {"attempt": attempt, "known": known}, None
        )
        return answer

    def read_names(self, *, run: Sequence[str] = (), task: Sequence[str] = ()) -> NamesAnswer:
        """Read the names of runs and task runs by their ids.

        Needs the role viewer.

        Parameters
        ----------
        run
            Ids of runs.
        task
            Ids of task runs.
        """
        answer: NamesAnswer = self._call("read_names", {}, {"run": run, "task": task}, None)
        return answer

    def list_flows(self, *, limit: int = 100, after: str | None = None) -> FlowsAnswer:
        """List the flows that have run or are deployed, by name, with their last outcomes and when they are due next.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: FlowsAnswer = self._call("list_flows", {}, {"limit": limit, "after": after}, None)
        return answer

    def show_flow(self, flow: str, *, runs: int = 30, notebook: str | None = None) -> FlowDetails:
        """Show a flow: its last runs, and what became of each of its tasks in them.

        Needs the role viewer.

        Parameters
        ----------
        runs
            At most so many of its newest runs.
        notebook
            Only runs of the notebook at this path: an absolute one, as in `notebook_path` of a run, or one below the
            server's root folder.
        """
        answer: FlowDetails = self._call("show_flow", {"flow": flow}, {"runs": runs, "notebook": notebook}, None)
        return answer

    def show_parameters(self, *, path: str) -> ParametersAnswer:
        """Show the parameters that a notebook declares, with a JSON Schema; nothing of it runs.

        Needs the role viewer.

        Parameters
        ----------
        path
            Relative to the server's root folder: `reports/sales.ipynb`.
        """
        answer: ParametersAnswer = self._call("show_parameters", {}, {"path": path}, None)
        return answer

    def run_notebook(
        self,
        *,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        texts: Mapping[str, str] | None = None,
        cache: bool = False,
        refresh: bool = False,
        parallel: bool = False,
        cluster: str | None = None,
        kernel: str | None = None,
        timeout_seconds: float | None = None,
        cell_timeout_seconds: float | None = None,
    ) -> RunSummary:
        """Run a notebook from top to bottom, as `orchestra run --no-wait` does, in a process of its own.

        The file is run as it is saved, in its folder; the executed notebook goes beside it, under the run's own name.
        The run goes on when the server ends. Values that do not fit are named in `errors`, each with a pointer such as
        `#/parameters/share`; nothing runs then.

        Needs the role runner.

        Parameters
        ----------
        path
            Relative to the server's root folder: `reports/sales.ipynb`.
        parameters
            By name; `{"$secret": NAME}` stands for a stored secret.
        texts
            Further ones as text, as on a command line: the declaration of each says what it means.
        cache
            Replay cells whose code and inputs are as in an earlier run.
        refresh
            Run all cells, and keep what they give for the next run.
        parallel
            Run cells ahead of their turn on the cluster, where that pays.
        cluster
            Where task cells run; null for that of the settings. A class, which is code that runs as the server does,
            needs the role *author*, and so does an address that no setting, profile or pool names.
        kernel
            Null for the one that the notebook names.
        timeout_seconds
            After so long the run is TIMED_OUT.
        cell_timeout_seconds
            After so long a cell has failed.
        """
        answer: RunSummary = self._call(
            "run_notebook",
            {},
            {},
            {
                "path": path,
                "parameters": parameters,
                "texts": texts,
                "cache": cache,
                "refresh": refresh,
                "parallel": parallel,
                "cluster": cluster,
                "kernel": kernel,
                "timeout_seconds": timeout_seconds,
                "cell_timeout_seconds": cell_timeout_seconds,
            },
        )
        return answer

    def plan_notebook(
        self,
        *,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        texts: Mapping[str, str] | None = None,
        refresh: bool = False,
        kernel: str | None = None,
    ) -> NotebookPlan:
        """Tell which cells of a notebook a run with `cache` would run here, and why; nothing is run.

        Needs the role runner.

        Parameters
        ----------
        path
            Relative to the server's root folder: `reports/sales.ipynb`.
        parameters
            By name; `{"$secret": NAME}` stands for a stored secret.
        texts
            Further ones as text, as on a command line: the declaration of each says what it means.
        refresh
            As if all cells ran, whatever was kept.
        kernel
            Null for the one that the notebook names.
        """
        answer: NotebookPlan = self._call(
            "plan_notebook",
            {},
            {},
            {"path": path, "parameters": parameters, "texts": texts, "refresh": refresh, "kernel": kernel},
        )
        return answer

    def show_notebook_cells(self, *, path: str) -> NotebookCells:
        """Show what each cell of a notebook did last, how long it usually runs, and whether what was kept still holds.

        Cells of which nothing is recorded are left out. What `stale` says is of the notebook as it is saved.

        Needs the role viewer.

        Parameters
        ----------
        path
            Relative to the server's root folder: `reports/sales.ipynb`.
        """
        answer: NotebookCells = self._call("show_notebook_cells", {}, {"path": path}, None)
        return answer

    def read_task_line(self, *, source: str) -> TaskLineAnswer:
        """Read the options of a task cell from its text; nothing is stored.

        Needs the role runner.

        Parameters
        ----------
        source
            The text of a code cell.
        """
        answer: TaskLineAnswer = self._call("read_task_line", {}, {}, {"source": source})
        return answer

    def write_task_line(
        self, *, source: str, name: str = "", values: Mapping[str, Sequence[str | None]] | None = None
    ) -> SourceAnswer:
        """Write the text of a cell with other options of its task, and return it; nothing is stored.

        What does not change stays as it was written; an ordinary cell becomes a task. Values that do not fit are named
        in `errors`, each with a pointer such as `#/values/--retries`.

        Needs the role runner.

        Parameters
        ----------
        source
            The text of a code cell.
        name
            Empty for none.
        values
            Option to the texts of its values, as they are typed without quotes; null for one without a value: `{"--
            retries": ["2"], "--wait": [null]}`.
        """
        answer: SourceAnswer = self._call("write_task_line", {}, {}, {"source": source, "name": name, "values": values})
        return answer

    def list_deployments(
        self, *, limit: int = 500, after: str | None = None, notebook: str | None = None
    ) -> DeploymentsAnswer:
        """List the deployments by name.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        notebook
            Only those of this notebook, relative to the server's root folder: `reports/sales.ipynb`.
        """
        answer: DeploymentsAnswer = self._call(
            "list_deployments", {}, {"limit": limit, "after": after, "notebook": notebook}, None
        )
        return answer

    def show_deployment(self, name: str) -> DeploymentDetails:
        """Show a deployment, its schedules, when they are due next and its last runs.

        Needs the role viewer.
        """
        answer: DeploymentDetails = self._call("show_deployment", {"name": name}, {}, None)
        return answer

    def show_deployed_parameters(self, name: str) -> ParametersAnswer:
        """Show the parameters that a run of a deployment can be given, with a JSON Schema; nothing of it runs.

        They are what its notebook declared when it was deployed, and the deployment's own values are the defaults. What
        a flow takes is not known before it runs: any name may be given.

        Needs the role viewer.
        """
        answer: ParametersAnswer = self._call("show_deployed_parameters", {"name": name}, {}, None)
        return answer

    def list_versions(self, name: str, *, before: int | None = None, limit: int = 100) -> VersionsAnswer:
        """List the versions of a deployment, the newest first, with what each changed.

        Needs the role viewer.

        Parameters
        ----------
        before
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: VersionsAnswer = self._call("list_versions", {"name": name}, {"before": before, "limit": limit}, None)
        return answer

    def run_deployment(
        self,
        name: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        texts: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> Run:
        """Have a run of a deployment wait to be started, also of one that is paused.

        Needs the role runner.

        Parameters
        ----------
        parameters
            In place of the deployment's own, by name.
        texts
            Further ones as text, as on a command line: the declaration of each says what it means.
        at
            When it is to start; null for now.
        """
        answer: Run = self._call(
            "run_deployment", {"name": name}, {}, {"parameters": parameters, "texts": texts, "at": at}
        )
        return answer

    def update_deployment(
        self,
        name: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        texts: Mapping[str, str] | None = None,
        note: str = "",
    ) -> Updated:
        """Take the notebook of a deployment as it is now where the server is, and leave all else as it is.

        Needs the role author.

        Parameters
        ----------
        parameters
            In place of those of the same name.
        texts
            Further ones as text, as on a command line: the declaration of each says what it means.
        note
            Why this version is made.
        """
        answer: Updated = self._call(
            "update_deployment", {"name": name}, {}, {"parameters": parameters, "texts": texts, "note": note}
        )
        return answer

    def pause_deployment(self, name: str) -> Standing:
        """Let the schedules of a deployment rest.

        Needs the role author.
        """
        answer: Standing = self._call("pause_deployment", {"name": name}, {}, None)
        return answer

    def resume_deployment(self, name: str) -> Standing:
        """Have the schedules of a deployment looked at again.

        Needs the role author.
        """
        answer: Standing = self._call("resume_deployment", {"name": name}, {}, None)
        return answer

    def roll_back(self, name: str, *, version: int | None = None) -> RolledBack:
        """Make a new version of a deployment that says what an earlier one said.

        Needs the role author.
        """
        answer: RolledBack = self._call("roll_back", {"name": name}, {}, {"version": version})
        return answer

    def backfill_deployment(
        self, name: str, *, begin: datetime, end: datetime, limit: int | None = None, schedule: int | None = None
    ) -> Backfill:
        """Make runs for what was due in the past and has none, or was missed.

        Needs the role runner.
        """
        answer: Backfill = self._call(
            "backfill_deployment",
            {"name": name},
            {},
            {"begin": begin, "end": end, "limit": limit, "schedule": schedule},
        )
        return answer

    def delete_deployment(self, name: str) -> DeletedDeployment:
        """Delete a deployment; its runs of the past stay, those that wait are cancelled.

        Needs the role author.
        """
        answer: DeletedDeployment = self._call("delete_deployment", {"name": name}, {}, None)
        return answer

    def preview_schedule(
        self,
        *,
        cron: str | None = None,
        every: str | None = None,
        rrule: str | None = None,
        timezone: str | None = None,
        after: str | None = None,
        start: str | None = None,
        end: str | None = None,
        days_off: Sequence[date] = (),
        count: int = 5,
    ) -> SchedulePreview:
        """Show when a schedule is due next, in words and as instants, with what changes of the clock do.

        Needs the role viewer.

        Parameters
        ----------
        timezone
            Default: that of the server.
        after
            Look from this time on, not from now.
        days_off
            It is not due on these days.
        count
            So many times.
        """
        answer: SchedulePreview = self._call(
            "preview_schedule",
            {},
            {
                "cron": cron,
                "every": every,
                "rrule": rrule,
                "timezone": timezone,
                "after": after,
                "start": start,
                "end": end,
                "days_off": days_off,
                "count": count,
            },
            None,
        )
        return answer

    def deploy(
        self,
        name: str,
        *,
        plan: bool = False,
        version: int | None = None,
        flow: str | None = None,
        cwd: str | None = None,
        import_folder: str | None = None,
        flow_name: str | None = None,
        kernel: str | None = None,
        output: str | None = None,
        cache: bool = False,
        cell_timeout: str | int | float | None = None,
        start_timeout: str | int | float | None = None,
        description: str = "",
        parameters: Mapping[str, Any] | None = None,
        cluster: str | Mapping[str, Any] | None = None,
        pool: str = "default",
        priority: int = 0,
        concurrency: int | None = None,
        on_conflict: Literal["queue", "skip", "cancel-running"] = "queue",
        retries: int = 0,
        retry_delay: str | int | float | None = None,
        retry_jitter: float = 0.0,
        infrastructure_retries: int = 1,
        timeout: str | int | float | None = None,
        tags: Mapping[str, str] | None = None,
        limits: Sequence[str] | None = None,
        job_variables: Mapping[str, Any] | None = None,
        paused: bool | None = None,
        note: str = "",
        notebook: Mapping[str, Any] | str | None = None,
        notebook_path: str | None = None,
        parameter_texts: Mapping[str, str] | None = None,
        schedules: Sequence[FileSchedule] = (),
        triggers: Sequence[TriggerForm] | None = None,
    ) -> DeployAnswer:
        """Make a deployment, or a new version of one; nothing where it says the same already.

        What it says is said as a whole: what is left out is gone, but for `paused` and `triggers`. Relative paths are
        those from the folder of the server.

        Needs the role author.

        Parameters
        ----------
        plan
            Only tell what would change.
        version
            Only where the deployment has this version still, 0 for none; else the answer is 409.
        notebook
            The notebook's document, or the path of one that the server can read.
        notebook_path
            Where a document that is sent stands: its runs are named by it and work in its folder. Default: NAME.ipynb
            in the folder of the server.
        parameter_texts
            Further parameters as text, as on a command line: the declaration of each says what it means.
        triggers
            Null: those that it has stay.
        """
        answer: DeployAnswer = self._call(
            "deploy",
            {"name": name},
            {"plan": plan, "version": version},
            {
                "flow": flow,
                "cwd": cwd,
                "import_folder": import_folder,
                "flow_name": flow_name,
                "kernel": kernel,
                "output": output,
                "cache": cache,
                "cell_timeout": cell_timeout,
                "start_timeout": start_timeout,
                "description": description,
                "parameters": parameters,
                "cluster": cluster,
                "pool": pool,
                "priority": priority,
                "concurrency": concurrency,
                "on_conflict": on_conflict,
                "retries": retries,
                "retry_delay": retry_delay,
                "retry_jitter": retry_jitter,
                "infrastructure_retries": infrastructure_retries,
                "timeout": timeout,
                "tags": tags,
                "limits": limits,
                "job_variables": job_variables,
                "paused": paused,
                "note": note,
                "notebook": notebook,
                "notebook_path": notebook_path,
                "parameter_texts": parameter_texts,
                "schedules": schedules,
                "triggers": triggers,
            },
        )
        return answer

    def apply_file(
        self,
        *,
        text: str,
        plan: bool = False,
        file: str = "orchestra.yaml",
        notebooks: Mapping[str, Mapping[str, Any]] | None = None,
        prune: bool = False,
    ) -> FileAnswer:
        """Make pools, deployments and automations as a file says; all of it is checked first.

        Notebooks that are not sent, and flows, are those that the server can read. Relative paths are those from the
        folder of the server.

        Needs the role author.

        Parameters
        ----------
        text
            What stands in it: YAML.
        plan
            Only tell what would change.
        file
            What it is called in messages.
        notebooks
            The documents of notebooks, by their paths as the file has them.
        prune
            Delete what is not in it.
        """
        answer: FileAnswer = self._call(
            "apply_file", {}, {"plan": plan}, {"file": file, "text": text, "notebooks": notebooks, "prune": prune}
        )
        return answer

    def list_schedules(self, name: str) -> SchedulesAnswer:
        """List the schedules of a deployment, with when each is due next.

        Needs the role viewer.
        """
        answer: SchedulesAnswer = self._call("list_schedules", {"name": name}, {}, None)
        return answer

    def add_schedule(
        self,
        name: str,
        *,
        version: int | None = None,
        cron: str | None = None,
        every: str | int | float | None = None,
        rrule: str | None = None,
        timezone: str | None = None,
        start: str | None = None,
        end: str | None = None,
        exclude: str | Sequence[str] | None = None,
        days_off: Sequence[date] | None = None,
        jitter: str | int | float | None = None,
        catchup: Literal["latest", "all", "skip"] = "latest",
        max_late: str | int | float | None = None,
        parameters: Mapping[str, Any] | None = None,
        active: bool = True,
    ) -> ChangedSchedules:
        """Add a schedule to a deployment, as the last one, described as in files.

        Needs the role author.

        Parameters
        ----------
        version
            Only where the deployment has this version still; else the answer is 409.
        """
        answer: ChangedSchedules = self._call(
            "add_schedule",
            {"name": name},
            {"version": version},
            {
                "cron": cron,
                "every": every,
                "rrule": rrule,
                "timezone": timezone,
                "start": start,
                "end": end,
                "exclude": exclude,
                "days_off": days_off,
                "jitter": jitter,
                "catchup": catchup,
                "max_late": max_late,
                "parameters": parameters,
                "active": active,
            },
        )
        return answer

    def replace_schedule(
        self,
        name: str,
        number: int,
        *,
        version: int | None = None,
        cron: str | None = None,
        every: str | int | float | None = None,
        rrule: str | None = None,
        timezone: str | None = None,
        start: str | None = None,
        end: str | None = None,
        exclude: str | Sequence[str] | None = None,
        days_off: Sequence[date] | None = None,
        jitter: str | int | float | None = None,
        catchup: Literal["latest", "all", "skip"] = "latest",
        max_late: str | int | float | None = None,
        parameters: Mapping[str, Any] | None = None,
        active: bool = True,
    ) -> ChangedSchedules:
        """Have another schedule in the place of one.

        Needs the role author.

        Parameters
        ----------
        version
            Only where the deployment has this version still; else the answer is 409.
        """
        answer: ChangedSchedules = self._call(
            "replace_schedule",
            {"name": name, "number": number},
            {"version": version},
            {
                "cron": cron,
                "every": every,
                "rrule": rrule,
                "timezone": timezone,
                "start": start,
                "end": end,
                "exclude": exclude,
                "days_off": days_off,
                "jitter": jitter,
                "catchup": catchup,
                "max_late": max_late,
                "parameters": parameters,
                "active": active,
            },
        )
        return answer

    def remove_schedule(self, name: str, number: int, *, version: int | None = None) -> ChangedSchedules:
        """Remove a schedule; those behind it move up by one.

        Needs the role author.

        Parameters
        ----------
        version
            Only where the deployment has this version still; else the answer is 409.
        """
        answer: ChangedSchedules = self._call(
            "remove_schedule", {"name": name, "number": number}, {"version": version}, None
        )
        return answer

    def pause_schedule(self, name: str, number: int, *, version: int | None = None) -> ChangedSchedules:
        """Let one schedule rest; the others go on.

        Needs the role author.

        Parameters
        ----------
        version
            Only where the deployment has this version still; else the answer is 409.
        """
        answer: ChangedSchedules = self._call(
            "pause_schedule", {"name": name, "number": number}, {"version": version}, None
        )
        return answer

    def resume_schedule(self, name: str, number: int, *, version: int | None = None) -> ChangedSchedules:
        """Have one schedule looked at again, from now on.

        Needs the role author.

        Parameters
        ----------
        version
            Only where the deployment has this version still; else the answer is 409.
        """
        answer: ChangedSchedules = self._call(
            "resume_schedule", {"name": name, "number": number}, {"version": version}, None
        )
        return answer

    def list_pool_kinds(
        self,
    ) -> PoolKindsAnswer:
        """List the kinds of pools, and what is said of a pool of each.

        Needs the role viewer.
        """
        answer: PoolKindsAnswer = self._call("list_pool_kinds", {}, {}, None)
        return answer

    def list_pools(self, *, limit: int = 500, after: str | None = None) -> PoolsAnswer:
        """List the pools by name.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: PoolsAnswer = self._call("list_pools", {}, {"limit": limit, "after": after}, None)
        return answer

    def show_pool(self, name: str) -> ShownPool:
        """Show a pool, who serves it, what waits in it and why, and what goes on.

        Needs the role viewer.
        """
        answer: ShownPool = self._call("show_pool", {"name": name}, {}, None)
        return answer

    def preview_job(self, name: str, *, deployment: str | None = None) -> ShownJob:
        """Show what would be submitted for a run of a pool of the kind docker or kubernetes; nothing is submitted.

        Needs the role viewer.

        Parameters
        ----------
        deployment
            One of this deployment; null for one that says nothing of its own.
        """
        answer: ShownJob = self._call("preview_job", {"name": name}, {"deployment": deployment}, None)
        return answer

    def create_pool(
        self,
        *,
        name: str,
        kind: str = "local",
        description: str = "",
        concurrency: int | None = None,
        cluster: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        minimum: int | None = None,
        maximum: int | None = None,
        idle: str | int | float | None = None,
        job: Mapping[str, Any] | None = None,
        paused: bool = False,
    ) -> ShownPool:
        """Make a pool, described as in files.

        Needs the role author.

        Parameters
        ----------
        name
            Deployments name their pool by it.
        kind
            Where its runs go on.
        description
            What it is for.
        concurrency
            Empty for any number. To start nothing, pause the pool.
        cluster
            A class that makes it, by its dotted path, or the address of a scheduler: tcp://HOST:8786.
        arguments
            Such as {"cores": 8, "memory": "32GB"}.
        minimum
            The cluster scales itself down to so many.
        maximum
            The cluster scales itself up to so many.
        idle
            How long the cluster lives without a run: 10m. Empty for five minutes.
        job
            What the jobs of its runs are like; image is empty where each deployment names its own.
        paused
            Its runs wait until it is resumed.
        """
        answer: ShownPool = self._call(
            "create_pool",
            {},
            {},
            {
                "kind": kind,
                "description": description,
                "concurrency": concurrency,
                "cluster": cluster,
                "arguments": arguments,
                "minimum": minimum,
                "maximum": maximum,
                "idle": idle,
                "job": job,
                "name": name,
                "paused": paused,
            },
        )
        return answer

    def update_pool(self, name: str, values: Mapping[str, Any]) -> ShownPool:
        """Change fields of a pool, as files name them; null takes one away.

        Needs the role author.
        """
        answer: ShownPool = self._call("update_pool", {"name": name}, {}, values)
        return answer

    def replace_pool(
        self,
        name: str,
        *,
        kind: str = "local",
        description: str = "",
        concurrency: int | None = None,
        cluster: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        minimum: int | None = None,
        maximum: int | None = None,
        idle: str | int | float | None = None,
        job: Mapping[str, Any] | None = None,
        paused: bool | None = None,
    ) -> ShownPool:
        """Make a pool, or have the one of this name be like this; what goes on in it goes on as it began.

        Without `paused` one that is there stays paused, or not paused, as it is.

        Needs the role author.

        Parameters
        ----------
        kind
            Where its runs go on.
        description
            What it is for.
        concurrency
            Empty for any number. To start nothing, pause the pool.
        cluster
            A class that makes it, by its dotted path, or the address of a scheduler: tcp://HOST:8786.
        arguments
            Such as {"cores": 8, "memory": "32GB"}.
        minimum
            The cluster scales itself down to so many.
        maximum
            The cluster scales itself up to so many.
        idle
            How long the cluster lives without a run: 10m. Empty for five minutes.
        job
            What the jobs of its runs are like; image is empty where each deployment names its own.
        paused
            Whether its runs wait; null for as it is.
        """
        answer: ShownPool = self._call(
            "replace_pool",
            {"name": name},
            {},
            {
                "kind": kind,
                "description": description,
                "concurrency": concurrency,
                "cluster": cluster,
                "arguments": arguments,
                "minimum": minimum,
                "maximum": maximum,
                "idle": idle,
                "job": job,
                "paused": paused,
            },
        )
        return answer

    def pause_pool(self, name: str) -> ShownPool:
        """Have the runs of a pool wait; what goes on goes on.

        Needs the role author.
        """
        answer: ShownPool = self._call("pause_pool", {"name": name}, {}, None)
        return answer

    def resume_pool(self, name: str) -> ShownPool:
        """Have the runs of a pool start again.

        Needs the role author.
        """
        answer: ShownPool = self._call("resume_pool", {"name": name}, {}, None)
        return answer

    def delete_pool(self, name: str, *, force: bool = False) -> Deleted:
        """Delete a pool.

        Needs the role author.

        Parameters
        ----------
        force
            Also where deployments name it.
        """
        answer: Deleted = self._call("delete_pool", {"name": name}, {"force": force}, None)
        return answer

    def list_automations(self, *, limit: int = 500, after: str | None = None) -> AutomationsAnswer:
        """List the automations by name.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: AutomationsAnswer = self._call("list_automations", {}, {"limit": limit, "after": after}, None)
        return answer

    def show_automation(self, name: str, *, limit: int = 20) -> AutomationDetails:
        """Show an automation and what it did.

        Needs the role viewer.

        Parameters
        ----------
        limit
            So many of its firings.
        """
        answer: AutomationDetails = self._call("show_automation", {"name": name}, {"limit": limit}, None)
        return answer

    def list_firings(self, name: str, *, before: int | None = None, limit: int = 50) -> FiringsAnswer:
        """List what an automation did, the newest first.

        Needs the role viewer.

        Parameters
        ----------
        before
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: FiringsAnswer = self._call("list_firings", {"name": name}, {"before": before, "limit": limit}, None)
        return answer

    def try_automation(self, name: str, *, since: datetime) -> TrialAnswer:
        """Tell what an automation would have done with what happened since; nothing is done.

        Where it waits for files it is not looked for them: that takes the secrets of the server.

        Needs the role viewer.
        """
        answer: TrialAnswer = self._call("try_automation", {"name": name}, {"since": since}, None)
        return answer

    def pause_automation(self, name: str) -> AutomationStanding:
        """Have an automation do nothing.

        Needs the role author.
        """
        answer: AutomationStanding = self._call("pause_automation", {"name": name}, {}, None)
        return answer

    def resume_automation(self, name: str) -> AutomationStanding:
        """Have an automation act again.

        Needs the role author.
        """
        answer: AutomationStanding = self._call("resume_automation", {"name": name}, {}, None)
        return answer

    def delete_automation(self, name: str) -> Deleted:
        """Delete an automation.

        Needs the role author.
        """
        answer: Deleted = self._call("delete_automation", {"name": name}, {}, None)
        return answer

    def list_channels(self, *, limit: int = 500, after: str | None = None) -> ChannelsAnswer:
        """List the channels that notifications go to.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: ChannelsAnswer = self._call("list_channels", {}, {"limit": limit, "after": after}, None)
        return answer

    def delete_channel(self, name: str) -> Deleted:
        """Delete a channel that no rule names.

        Needs the role author.
        """
        answer: Deleted = self._call("delete_channel", {"name": name}, {}, None)
        return answer

    def list_deliveries(
        self,
        *,
        state: Sequence[DeliveryState | str] = (),
        run: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> DeliveriesAnswer:
        """List notifications, the newest first.

        Needs the role viewer.

        Parameters
        ----------
        state
            Only these states.
        run
            Only those about this run.
        before
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: DeliveriesAnswer = self._call(
            "list_deliveries", {}, {"state": state, "run": run, "before": before, "limit": limit}, None
        )
        return answer

    def show_delivery(self, number: int) -> Delivery:
        """Show a notification, and what became of it.

        Needs the role viewer.
        """
        answer: Delivery = self._call("show_delivery", {"number": number}, {}, None)
        return answer

    def retry_delivery(self, number: int) -> Delivery:
        """Send a notification again that could not be delivered.

        Needs the role runner.
        """
        answer: Delivery = self._call("retry_delivery", {"number": number}, {}, None)
        return answer

    def discard_delivery(self, number: int) -> Delivery:
        """Decide that a notification is not sent.

        Needs the role runner.
        """
        answer: Delivery = self._call("discard_delivery", {"number": number}, {}, None)
        return answer

    def list_webhooks(self, *, limit: int = 500, after: str | None = None) -> WebhooksAnswer:
        """List the webhooks.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: WebhooksAnswer = self._call("list_webhooks", {}, {"limit": limit, "after": after}, None)
        return answer

    def list_receipts(
        self,
        *,
        webhook: str | None = None,
        state: Sequence[ReceiptState | str] = (),
        before: int | None = None,
        limit: int = 50,
    ) -> ReceiptsAnswer:
        """List the messages of webhooks, the newest first.

        Needs the role viewer.

        Parameters
        ----------
        webhook
            Only those of this webhook.
        state
            Only these states.
        before
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: ReceiptsAnswer = self._call(
            "list_receipts", {}, {"webhook": webhook, "state": state, "before": before, "limit": limit}, None
        )
        return answer

    def retry_message(self, number: int) -> Receipt:
        """Have a message of a webhook start what it could not.

        Needs the role runner.
        """
        answer: Receipt = self._call("retry_message", {"number": number}, {}, None)
        return answer

    def discard_message(self, number: int) -> Receipt:
        """Decide that a message of a webhook starts nothing.

        Needs the role runner.
        """
        answer: Receipt = self._call("discard_message", {"number": number}, {}, None)
        return answer

    def list_dead_letters(
        self,
        *,
        state: LetterState | str | None = None,
        all: bool = False,
        run: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> LettersAnswer:
        """List what failed for good, the newest first.

        Needs the role viewer.

        Parameters
        ----------
        state
            Only this state.
        all
            Those in all states.
        run
            Only those of this run.
        before
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: LettersAnswer = self._call(
            "list_dead_letters", {}, {"state": state, "all": all, "run": run, "before": before, "limit": limit}, None
        )
        return answer

    def show_dead_letter(self, letter: str) -> DeadLetter:
        """Show one dead letter, by the id of its task run or run.

        Needs the role viewer.
        """
        answer: DeadLetter = self._call("show_dead_letter", {"letter": letter}, {}, None)
        return answer

    def discard_dead_letter(self, letter: str, *, note: str = "") -> DeadLetter:
        """Decide that what failed is not run again.

        Needs the role runner.
        """
        answer: DeadLetter = self._call("discard_dead_letter", {"letter": letter}, {}, {"note": note})
        return answer

    def list_alerts(self, *, since: datetime | None = None, limit: int = 100) -> Alerts:
        """List what somebody should look at: failures, late runs, dead letters, notifications and services that fail.

        Needs the role viewer.

        Parameters
        ----------
        since
            Since when failures count. Default: a day ago.
        limit
            At most so many of each kind.
        """
        answer: Alerts = self._call("list_alerts", {}, {"since": since, "limit": limit}, None)
        return answer

    def list_clusters(
        self,
    ) -> ClustersAnswer:
        """List the Dask clusters with their workers, how much memory these use, and the address of the dashboard.

        A scheduler that does not answer within a few seconds is listed with what went wrong.

        Needs the role viewer.
        """
        answer: ClustersAnswer = self._call("list_clusters", {}, {}, None)
        return answer

    def read_letter_inputs(self, letter: str) -> LetterInputs:
        """Read what the task or flow of a dead letter was given.

        Needs the role viewer.
        """
        answer: LetterInputs = self._call("read_letter_inputs", {"letter": letter}, {}, None)
        return answer

    def retry_dead_letter(self, letter: str, *, note: str = "") -> RunAgain:
        """Have the run of a deployment that a dead letter tells of wait in its pool again; each is decided about once.

        A task, or a run of no deployment, is run again by `orchestra dead-letters retry`, where its code is.

        Needs the role runner.
        """
        answer: RunAgain = self._call("retry_dead_letter", {"letter": letter}, {}, {"note": note})
        return answer

    def read_automation_text(self, *, text: str) -> ReadAutomation:
        """Read an automation that was written as YAML, and see whether it could be made; nothing is kept.

        A refusal names the line of all that is wrong, also of a channel or a deployment that is not there.

        Needs the role author.
        """
        answer: ReadAutomation = self._call("read_automation_text", {}, {}, {"text": text})
        return answer

    def show_automation_text(self, name: str) -> AutomationText:
        """Show an automation as YAML, to be edited.

        Needs the role viewer.
        """
        answer: AutomationText = self._call("show_automation_text", {"name": name}, {}, None)
        return answer

    def create_automation(
        self,
        *,
        trigger: Any,
        actions: Sequence[Any],
        name: str,
        condition: str | bool = "",
        description: str = "",
        paused: bool | None = None,
        deployment: str = "",
    ) -> MadeAutomation:
        """Make an automation, described as in files; it looks at what happens from now on.

        A path of files that is not absolute is one from the folder of the server.

        Needs the role author.
        """
        answer: MadeAutomation = self._call(
            "create_automation",
            {},
            {},
            {
                "trigger": trigger,
                "actions": actions,
                "condition": condition,
                "description": description,
                "paused": paused,
                "deployment": deployment,
                "name": name,
            },
        )
        return answer

    def replace_automation(
        self,
        name: str,
        *,
        trigger: Any,
        actions: Sequence[Any],
        condition: str | bool = "",
        description: str = "",
        paused: bool | None = None,
        deployment: str = "",
    ) -> MadeAutomation:
        """Make an automation, or have the one of this name be like this.

        Without `paused` one that is there rests, or acts, as before.

        Needs the role author.
        """
        answer: MadeAutomation = self._call(
            "replace_automation",
            {"name": name},
            {},
            {
                "trigger": trigger,
                "actions": actions,
                "condition": condition,
                "description": description,
                "paused": paused,
                "deployment": deployment,
            },
        )
        return answer

    def dry_run_automation(
        self, name: str, *, since: datetime | None = None, automation: NamedAutomation | None = None
    ) -> DryRunAnswer:
        """Tell what an automation would have done about what happened since; nothing is done, sent or counted.

        Where one that is kept waits for files it is looked for them now; not for one that is only sent, which could
        name any place, and the server's secrets. What could not be made is refused.

        Needs the role author.

        Parameters
        ----------
        since
            From when on; null for the last 7 days.
        automation
            Try this in place of the one that is kept, if there is one.
        """
        answer: DryRunAnswer = self._call(
            "dry_run_automation", {"name": name}, {}, {"since": since, "automation": automation}
        )
        return answer

    def create_channel(self, *, address: str, name: str, allow_private: bool = False) -> Channel:
        """Make a channel.

        Needs the role admin.

        Parameters
        ----------
        address
            An address as apprise has them.
        allow_private
            Also to addresses of the own network.
        """
        answer: Channel = self._call(
            "create_channel", {}, {}, {"address": address, "allow_private": allow_private, "name": name}
        )
        return answer

    def set_channel(self, name: str, *, address: str, allow_private: bool = False) -> Channel:
        """Make a channel, or give the one of this name another address.

        Needs the role admin.

        Parameters
        ----------
        address
            An address as apprise has them.
        allow_private
            Also to addresses of the own network.
        """
        answer: Channel = self._call(
            "set_channel", {"name": name}, {}, {"address": address, "allow_private": allow_private}
        )
        return answer

    def try_channel(self, name: str) -> ChannelTest:
        """Send a message to a channel at once, past the outbox, and tell what came of it.

        Needs the role author.
        """
        answer: ChannelTest = self._call("try_channel", {"name": name}, {}, None)
        return answer

    def list_rules(self, *, limit: int = 500, after: str | None = None) -> RulesAnswer:
        """List the rules of what is told to whom.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: RulesAnswer = self._call("list_rules", {}, {"limit": limit, "after": after}, None)
        return answer

    def add_rule(
        self,
        *,
        channels: Sequence[str],
        name: str,
        occasion: Occasion | str | None = None,
        states: Sequence[State | str] = (),
        late_seconds: float | None = None,
        flow_names: Sequence[str] = (),
        deployments: Sequence[str] = (),
        kinds: Sequence[RunKind | str] = (),
        tags: Mapping[str, str | None] | None = None,
        has_child_runs: bool = False,
        title: str = "",
        body: str = "",
        is_paused: bool = False,
    ) -> AddedRule:
        """Add a rule; that of somebody who sees only what is theirs tells of their runs alone.

        Needs the role author.
        """
        answer: AddedRule = self._call(
            "add_rule",
            {},
            {},
            {
                "channels": channels,
                "occasion": occasion,
                "states": states,
                "late_seconds": late_seconds,
                "flow_names": flow_names,
                "deployments": deployments,
                "kinds": kinds,
                "tags": tags,
                "has_child_runs": has_child_runs,
                "title": title,
                "body": body,
                "is_paused": is_paused,
                "name": name,
            },
        )
        return answer

    def set_rule(
        self,
        name: str,
        *,
        channels: Sequence[str],
        occasion: Occasion | str | None = None,
        states: Sequence[State | str] = (),
        late_seconds: float | None = None,
        flow_names: Sequence[str] = (),
        deployments: Sequence[str] = (),
        kinds: Sequence[RunKind | str] = (),
        tags: Mapping[str, str | None] | None = None,
        has_child_runs: bool = False,
        title: str = "",
        body: str = "",
        is_paused: bool | None = None,
    ) -> AddedRule:
        """Make a rule, or have the one of this name be like this; it keeps what it knows of how things stand.

        It stays paused, or not paused, where `is_paused` is not said.

        Needs the role author.
        """
        answer: AddedRule = self._call(
            "set_rule",
            {"name": name},
            {},
            {
                "channels": channels,
                "occasion": occasion,
                "states": states,
                "late_seconds": late_seconds,
                "flow_names": flow_names,
                "deployments": deployments,
                "kinds": kinds,
                "tags": tags,
                "has_child_runs": has_child_runs,
                "title": title,
                "body": body,
                "is_paused": is_paused,
            },
        )
        return answer

    def pause_rule(self, name: str) -> NotificationRule:
        """Have a rule tell of nothing; it goes on watching.

        Needs the role author.
        """
        answer: NotificationRule = self._call("pause_rule", {"name": name}, {}, None)
        return answer

    def resume_rule(self, name: str) -> NotificationRule:
        """Have a rule tell of what happens from now on.

        Needs the role author.
        """
        answer: NotificationRule = self._call("resume_rule", {"name": name}, {}, None)
        return answer

    def delete_rule(self, name: str) -> Deleted:
        """Delete a rule.

        Needs the role author.
        """
        answer: Deleted = self._call("delete_rule", {"name": name}, {}, None)
        return answer

    def create_webhook(
        self,
        *,
        name: str,
        refuse_warnings: bool = False,
        scheme: WebhookScheme | str | None = None,
        deployment: str | None = None,
        event: str | None = None,
        parameters: Mapping[str, str] | None = None,
        resource: str = "",
        condition: str = "",
        is_paused: bool = False,
        secret: str | None = None,
    ) -> MadeWebhook:
        """Make a webhook; its secret is answered now and never again.

        Who sees only what is theirs makes one for a deployment of theirs: it belongs to that one's owner.

        Needs the role author.

        Parameters
        ----------
        refuse_warnings
            Do nothing where something may not fit: the answer is 422, `warnings_refused`, a line each.
        scheme
            How its senders sign.
        parameters
            Templates of the run's parameters, or of the event's payload, by name.
        resource
            A template: what an event is about.
        condition
            A template: only messages for which it says yes.
        is_paused
            Whether its messages start nothing for now.
        secret
            The sender's; null to draw one.
        """
        answer: MadeWebhook = self._call(
            "create_webhook",
            {},
            {"refuse_warnings": refuse_warnings},
            {
                "name": name,
                "scheme": scheme,
                "deployment": deployment,
                "event": event,
                "parameters": parameters,
                "resource": resource,
                "condition": condition,
                "is_paused": is_paused,
                "secret": secret,
            },
        )
        return answer

    def show_webhook(self, name: str) -> WebhookDetails:
        """Show a webhook, without its secret.

        Needs the role viewer.
        """
        answer: WebhookDetails = self._call("show_webhook", {"name": name}, {}, None)
        return answer

    def update_webhook(
        self,
        name: str,
        *,
        refuse_warnings: bool = False,
        new_name: str | None = None,
        deployment: str | None = None,
        event: str | None = None,
        parameters: Mapping[str, str] | None = None,
        resource: str | None = None,
        condition: str | None = None,
        is_paused: bool | None = None,
    ) -> ChangedWebhook:
        """Change a webhook: its name, what it starts, or for which messages; its secret stays.

        Who sees only what is theirs has it run a deployment of theirs. What was somebody's belongs to the owner of the
        deployment that it runs from now on; one that emits events is nobody's.

        Needs the role author.

        Parameters
        ----------
        refuse_warnings
            Do nothing where something may not fit: the answer is 422, `warnings_refused`, a line each.
        new_name
            Another name, and so another address.
        deployment
            Run this one, in place of what is started now.
        event
            Emit this one, in place of what is started now.
        parameters
            All the templates of parameters, or of the event's payload, by name.
        resource
            A template: what an event is about.
        condition
            A template: only messages for which it says yes.
        is_paused
            Whether its messages start nothing for now.
        """
        answer: ChangedWebhook = self._call(
            "update_webhook",
            {"name": name},
            {"refuse_warnings": refuse_warnings},
            {
                "new_name": new_name,
                "deployment": deployment,
                "event": event,
                "parameters": parameters,
                "resource": resource,
                "condition": condition,
                "is_paused": is_paused,
            },
        )
        return answer

    def pause_webhook(self, name: str) -> WebhookDetails:
        """Have the messages of a webhook start nothing: those that come are ignored.

        Needs the role author.
        """
        answer: WebhookDetails = self._call("pause_webhook", {"name": name}, {}, None)
        return answer

    def resume_webhook(self, name: str) -> WebhookDetails:
        """Have the messages of a webhook that come from now on start what they are to start.

        Needs the role author.
        """
        answer: WebhookDetails = self._call("resume_webhook", {"name": name}, {}, None)
        return answer

    def rotate_webhook_secret(
        self, name: str, *, secret: str | None = None, overlap_seconds: float = 0.0
    ) -> MadeWebhook:
        """Give a webhook another secret, which is answered now and never again.

        Needs the role author.

        Parameters
        ----------
        secret
            The sender's; null to draw one.
        """
        answer: MadeWebhook = self._call(
            "rotate_webhook_secret", {"name": name}, {}, {"secret": secret, "overlap_seconds": overlap_seconds}
        )
        return answer

    def delete_webhook(self, name: str) -> Deleted:
        """Delete a webhook and the list of its messages; what they started stays.

        Needs the role author.
        """
        answer: Deleted = self._call("delete_webhook", {"name": name}, {}, None)
        return answer

    def list_variables(self, *, limit: int = 500, after: str | None = None) -> VariablesAnswer:
        """List the variables by name.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: VariablesAnswer = self._call("list_variables", {}, {"limit": limit, "after": after}, None)
        return answer

    def get_variable(self, name: str) -> StoredVariable:
        """Read a variable.

        Needs the role viewer.
        """
        answer: StoredVariable = self._call("get_variable", {"name": name}, {}, None)
        return answer

    def set_variable(
        self, name: str, *, value: Any, tags: Sequence[str] = (), overwrite: bool = True
    ) -> StoredVariable:
        """Set a variable.

        Needs the role author.

        Parameters
        ----------
        overwrite
            Whether one that is there gets this value; else it is a 409.
        """
        answer: StoredVariable = self._call(
            "set_variable", {"name": name}, {}, {"value": value, "tags": tags, "overwrite": overwrite}
        )
        return answer

    def unset_variable(self, name: str) -> Deleted:
        """Delete a variable.

        Needs the role author.
        """
        answer: Deleted = self._call("unset_variable", {"name": name}, {}, None)
        return answer

    def list_secrets(self, *, limit: int = 500, after: str | None = None) -> SecretsAnswer:
        """List the names of the secrets; no call answers what one holds.

        Where those who are no admins see only what is theirs, a runner is told of their own, with their owner, and an
        author of those for the runs of all, too.

        Needs the role author.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: SecretsAnswer = self._call("list_secrets", {}, {"limit": limit, "after": after}, None)
        return answer

    def set_secret(self, name: str, *, value: str) -> SecretSet:
        """Set a secret: for the runs of all.

        Where those who are no admins see only what is theirs, a runner sets one for their own runs alone, which comes
        before that of all.

        Needs the role admin.
        """
        answer: SecretSet = self._call("set_secret", {"name": name}, {}, {"value": value})
        return answer

    def unset_secret(self, name: str) -> Deleted:
        """Delete a secret.

        Where those who are no admins see only what is theirs, a runner deletes one of their own.

        Needs the role admin.
        """
        answer: Deleted = self._call("unset_secret", {"name": name}, {}, None)
        return answer

    def list_limits(self, *, limit: int = 500, after: str | None = None) -> LimitsAnswer:
        """List the concurrency limits, with who holds their slots.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: LimitsAnswer = self._call("list_limits", {}, {"limit": limit, "after": after}, None)
        return answer

    def show_limit(self, name: str) -> ConcurrencyLimit:
        """Show a concurrency limit.

        Needs the role viewer.
        """
        answer: ConcurrencyLimit = self._call("show_limit", {"name": name}, {}, None)
        return answer

    def create_limit(
        self, *, name: str, limit: int, slot_decay_per_second: float = 0.0, is_active: bool = True
    ) -> ConcurrencyLimit:
        """Make a concurrency limit.

        Needs the role author.
        """
        answer: ConcurrencyLimit = self._call(
            "create_limit",
            {},
            {},
            {"name": name, "limit": limit, "slot_decay_per_second": slot_decay_per_second, "is_active": is_active},
        )
        return answer

    def update_limit(
        self,
        name: str,
        *,
        limit: int | None = None,
        slot_decay_per_second: float | None = None,
        is_active: bool | None = None,
    ) -> ConcurrencyLimit:
        """Change a concurrency limit.

        Needs the role author.
        """
        answer: ConcurrencyLimit = self._call(
            "update_limit",
            {"name": name},
            {},
            {"limit": limit, "slot_decay_per_second": slot_decay_per_second, "is_active": is_active},
        )
        return answer

    def delete_limit(self, name: str, *, force: bool = False) -> Deleted:
        """Delete a concurrency limit.

        Needs the role author.

        Parameters
        ----------
        force
            Also where deployments name it.
        """
        answer: Deleted = self._call("delete_limit", {"name": name}, {"force": force}, None)
        return answer

    def list_artifacts(self, *, run: str | None = None, before: str | None = None, limit: int = 50) -> ArtifactsAnswer:
        """List artifacts, the newest first.

        Needs the role viewer.

        Parameters
        ----------
        run
            Only those of this run.
        before
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: ArtifactsAnswer = self._call("list_artifacts", {}, {"run": run, "before": before, "limit": limit}, None)
        return answer

    def show_artifact(self, artifact: str, *, version: int | None = None) -> StoredArtifact:
        """Show an artifact, by its id or its key.

        Needs the role viewer.

        Parameters
        ----------
        version
            Default: the newest.
        """
        answer: StoredArtifact = self._call("show_artifact", {"artifact": artifact}, {"version": version}, None)
        return answer

    def list_assets(self, *, limit: int = 500, after: str | None = None) -> AssetsAnswer:
        """List the assets by key.

        Needs the role viewer.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        """
        answer: AssetsAnswer = self._call("list_assets", {}, {"limit": limit, "after": after}, None)
        return answer

    def show_asset(self, *, key: str, depth: int | None = None) -> AssetDetails:
        """Show an asset, by its key, which is a URL, with what it was made from and what was made from it.

        Needs the role viewer.
        """
        answer: AssetDetails = self._call("show_asset", {}, {"key": key, "depth": depth}, None)
        return answer

    def list_events(
        self,
        *,
        event: str | None = None,
        resource: str | None = None,
        run: str | None = None,
        since: datetime | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> EventsAnswer:
        """List events that were emitted, the newest first.

        Needs the role viewer.

        Parameters
        ----------
        event
            Only those of this name; `*` stands for anything.
        resource
            Only those about this resource.
        run
            Only those of this run.
        since
            Only those since.
        before
            The `next` of the page before.
        limit
            At most so many.
        """
        answer: EventsAnswer = self._call(
            "list_events",
            {},
            {"event": event, "resource": resource, "run": run, "since": since, "before": before, "limit": limit},
            None,
        )
        return answer

    def read_statistics(
        self, *, name: str | None = None, since: datetime | None = None, tasks: bool = False
    ) -> StatisticsReport:
        """Tell how flows, deployments and tasks have done: success rate, durations, lateness.

        Needs the role viewer.

        Parameters
        ----------
        name
            Only this flow, notebook or deployment.
        since
            Only runs made since.
        tasks
            Also each task.
        """
        answer: StatisticsReport = self._call(
            "read_statistics", {}, {"name": name, "since": since, "tasks": tasks}, None
        )
        return answer

    def list_tokens(self, *, limit: int = 500, after: str | None = None, revoked: bool = False) -> TokensAnswer:
        """List the tokens by name.

        Where those who are no admins see only what is theirs, these are the ones that act for them.

        Needs the role admin.

        Parameters
        ----------
        limit
            At most so many.
        after
            The `next` of the page before.
        revoked
            Also those that were revoked.
        """
        answer: TokensAnswer = self._call("list_tokens", {}, {"limit": limit, "after": after, "revoked": revoked}, None)
        return answer

    def create_token(
        self, *, name: str, scopes: Sequence[str], owner: str | None = None, days: float | None = 90.0
    ) -> MadeToken:
        """Make a token; its text is kept nowhere.

        Where those who are no admins see only what is theirs, they make tokens that act for themselves, with the scope
        `runs:read`, and from the role *runner* on also `runs:write`. No token is told of groups: what counts, at each
        call, is the role that they have by name, or as everybody.

        Needs the role admin.

        Parameters
        ----------
        owner
            The user for whom it acts: it sees what is theirs. Null: a user of its own, but for who may make them for
            themselves alone.
        days
            Null: it never expires.
        """
        answer: MadeToken = self._call(
            "create_token", {}, {}, {"owner": owner, "name": name, "scopes": scopes, "days": days}
        )
        return answer

    def revoke_token(self, name: str) -> Revoked:
        """Have a token, by its name or id, open nothing from now on.

        Where those who are no admins see only what is theirs, one that acts for them.

        Needs the role admin.
        """
        answer: Revoked = self._call("revoke_token", {"name": name}, {}, None)
        return answer

    def list_audit(
        self,
        *,
        limit: int = 50,
        before: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        about: str | None = None,
        target: str | None = None,
        via: Via | str | None = None,
        outcome: Outcome | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AuditPage:
        """List who changed what, when, from where, and how it ended, the newest first.

        An entry holds names and no values: no parameter, no body and no message of an error.

        Needs the role admin.

        Parameters
        ----------
        limit
            At most so many.
        before
            The `next` of the page before.
        actor
            Only by this one: `user alice`, `token ci`, …
        action
            Only this: `cancel_run`, …
        about
            Only to something of this kind: `runs`, `deployments`, …
        target
            Only to what was named so, or a part of it: a schedule of a deployment, a task of a run.
        via
            Only by this way.
        outcome
            Only what ended so.
        since
            Only what was done then or later.
        until
            Only what was done before.
        """
        answer: AuditPage = self._call(
            "list_audit",
            {},
            {
                "limit": limit,
                "before": before,
                "actor": actor,
                "action": action,
                "about": about,
                "target": target,
                "via": via,
                "outcome": outcome,
                "since": since,
                "until": until,
            },
            None,
        )
        return answer

    def show_me(
        self,
    ) -> Identity:
        """Show who calls, and what they may do.

        Needs the role viewer.
        """
        answer: Identity = self._call("show_me", {}, {}, None)
        return answer


#: Call to the module that has its endpoint, under the name of the call.
ENDPOINT_MODULES: Final[Mapping[str, str]] = {
    "list_runs": "orchestra_nb.rest.run_endpoints",
    "show_run": "orchestra_nb.rest.run_endpoints",
    "list_tasks": "orchestra_nb.rest.run_endpoints",
    "list_attempts": "orchestra_nb.rest.run_endpoints",
    "list_task_attempts": "orchestra_nb.rest.run_endpoints",
    "read_logs": "orchestra_nb.rest.run_endpoints",
    "read_values": "orchestra_nb.rest.run_endpoints",
    "cancel_run": "orchestra_nb.rest.run_endpoints",
    "suspend_run": "orchestra_nb.rest.run_endpoints",
    "retry_run": "orchestra_nb.rest.run_endpoints",
    "read_resumption": "orchestra_nb.rest.run_endpoints",
    "set_run_state": "orchestra_nb.rest.run_endpoints",
    "resume_run": "orchestra_nb.rest.run_endpoints",
    "cancel_task": "orchestra_nb.rest.run_endpoints",
    "read_value": "orchestra_nb.rest.run_parts_endpoints",
    "list_children": "orchestra_nb.rest.run_parts_endpoints",
    "show_sweep": "orchestra_nb.rest.run_parts_endpoints",
    "list_inputs": "orchestra_nb.rest.run_parts_endpoints",
    "answer_input": "orchestra_nb.rest.run_parts_endpoints",
    "read_notebook_of_run": "orchestra_nb.rest.run_parts_endpoints",
    "read_names": "orchestra_nb.rest.run_parts_endpoints",
    "list_flows": "orchestra_nb.rest.flow_endpoints",
    "show_flow": "orchestra_nb.rest.flow_endpoints",
    "show_parameters": "orchestra_nb.rest.notebook_endpoints",
    "run_notebook": "orchestra_nb.rest.notebook_endpoints",
    "plan_notebook": "orchestra_nb.rest.notebook_endpoints",
    "show_notebook_cells": "orchestra_nb.rest.task_cell_endpoints",
    "read_task_line": "orchestra_nb.rest.task_cell_endpoints",
    "write_task_line": "orchestra_nb.rest.task_cell_endpoints",
    "list_deployments": "orchestra_nb.rest.deployment_endpoints",
    "show_deployment": "orchestra_nb.rest.deployment_endpoints",
    "show_deployed_parameters": "orchestra_nb.rest.deployment_endpoints",
    "list_versions": "orchestra_nb.rest.deployment_endpoints",
    "run_deployment": "orchestra_nb.rest.deployment_endpoints",
    "update_deployment": "orchestra_nb.rest.deployment_endpoints",
    "pause_deployment": "orchestra_nb.rest.deployment_endpoints",
    "resume_deployment": "orchestra_nb.rest.deployment_endpoints",
    "roll_back": "orchestra_nb.rest.deployment_endpoints",
    "backfill_deployment": "orchestra_nb.rest.deployment_endpoints",
    "delete_deployment": "orchestra_nb.rest.deployment_endpoints",
    "preview_schedule": "orchestra_nb.rest.deployment_endpoints",
    "deploy": "orchestra_nb.rest.deploying_endpoints",
    "apply_file": "orchestra_nb.rest.deploying_endpoints",
    "list_schedules": "orchestra_nb.rest.schedule_endpoints",
    "add_schedule": "orchestra_nb.rest.schedule_endpoints",
    "replace_schedule": "orchestra_nb.rest.schedule_endpoints",
    "remove_schedule": "orchestra_nb.rest.schedule_endpoints",
    "pause_schedule": "orchestra_nb.rest.schedule_endpoints",
    "resume_schedule": "orchestra_nb.rest.schedule_endpoints",
    "list_pool_kinds": "orchestra_nb.rest.pool_endpoints",
    "list_pools": "orchestra_nb.rest.pool_endpoints",
    "show_pool": "orchestra_nb.rest.pool_endpoints",
    "preview_job": "orchestra_nb.rest.pool_endpoints",
    "create_pool": "orchestra_nb.rest.pool_endpoints",
    "update_pool": "orchestra_nb.rest.pool_endpoints",
    "replace_pool": "orchestra_nb.rest.pool_endpoints",
    "pause_pool": "orchestra_nb.rest.pool_endpoints",
    "resume_pool": "orchestra_nb.rest.pool_endpoints",
    "delete_pool": "orchestra_nb.rest.pool_endpoints",
    "list_automations": "orchestra_nb.rest.follow_up_endpoints",
    "show_automation": "orchestra_nb.rest.follow_up_endpoints",
    "list_firings": "orchestra_nb.rest.follow_up_endpoints",
    "try_automation": "orchestra_nb.rest.follow_up_endpoints",
    "pause_automation": "orchestra_nb.rest.follow_up_endpoints",
    "resume_automation": "orchestra_nb.rest.follow_up_endpoints",
    "delete_automation": "orchestra_nb.rest.follow_up_endpoints",
    "list_channels": "orchestra_nb.rest.follow_up_endpoints",
    "delete_channel": "orchestra_nb.rest.follow_up_endpoints",
    "list_deliveries": "orchestra_nb.rest.follow_up_endpoints",
    "show_delivery": "orchestra_nb.rest.follow_up_endpoints",
    "retry_delivery": "orchestra_nb.rest.follow_up_endpoints",
    "discard_delivery": "orchestra_nb.rest.follow_up_endpoints",
    "list_webhooks": "orchestra_nb.rest.follow_up_endpoints",
    "list_receipts": "orchestra_nb.rest.follow_up_endpoints",
    "retry_message": "orchestra_nb.rest.follow_up_endpoints",
    "discard_message": "orchestra_nb.rest.follow_up_endpoints",
    "list_dead_letters": "orchestra_nb.rest.follow_up_endpoints",
    "show_dead_letter": "orchestra_nb.rest.follow_up_endpoints",
    "discard_dead_letter": "orchestra_nb.rest.follow_up_endpoints",
    "list_alerts": "orchestra_nb.rest.overview_endpoints",
    "list_clusters": "orchestra_nb.rest.overview_endpoints",
    "read_letter_inputs": "orchestra_nb.rest.dead_letter_endpoints",
    "retry_dead_letter": "orchestra_nb.rest.dead_letter_endpoints",
    "read_automation_text": "orchestra_nb.rest.automation_endpoints",
    "show_automation_text": "orchestra_nb.rest.automation_endpoints",
    "create_automation": "orchestra_nb.rest.automation_endpoints",
    "replace_automation": "orchestra_nb.rest.automation_endpoints",
    "dry_run_automation": "orchestra_nb.rest.automation_endpoints",
    "create_channel": "orchestra_nb.rest.channel_endpoints",
    "set_channel": "orchestra_nb.rest.channel_endpoints",
    "try_channel": "orchestra_nb.rest.channel_endpoints",
    "list_rules": "orchestra_nb.rest.rule_endpoints",
    "add_rule": "orchestra_nb.rest.rule_endpoints",
    "set_rule": "orchestra_nb.rest.rule_endpoints",
    "pause_rule": "orchestra_nb.rest.rule_endpoints",
    "resume_rule": "orchestra_nb.rest.rule_endpoints",
    "delete_rule": "orchestra_nb.rest.rule_endpoints",
    "create_webhook": "orchestra_nb.rest.webhook_endpoints",
    "show_webhook": "orchestra_nb.rest.webhook_endpoints",
    "update_webhook": "orchestra_nb.rest.webhook_endpoints",
    "pause_webhook": "orchestra_nb.rest.webhook_endpoints",
    "resume_webhook": "orchestra_nb.rest.webhook_endpoints",
    "rotate_webhook_secret": "orchestra_nb.rest.webhook_endpoints",
    "delete_webhook": "orchestra_nb.rest.webhook_endpoints",
    "list_variables": "orchestra_nb.rest.shared_endpoints",
    "get_variable": "orchestra_nb.rest.shared_endpoints",
    "set_variable": "orchestra_nb.rest.shared_endpoints",
    "unset_variable": "orchestra_nb.rest.shared_endpoints",
    "list_secrets": "orchestra_nb.rest.shared_endpoints",
    "set_secret": "orchestra_nb.rest.shared_endpoints",
    "unset_secret": "orchestra_nb.rest.shared_endpoints",
    "list_limits": "orchestra_nb.rest.shared_endpoints",
    "show_limit": "orchestra_nb.rest.shared_endpoints",
    "create_limit": "orchestra_nb.rest.shared_endpoints",
    "update_limit": "orchestra_nb.rest.shared_endpoints",
    "delete_limit": "orchestra_nb.rest.shared_endpoints",
    "list_artifacts": "orchestra_nb.rest.shared_endpoints",
    "show_artifact": "orchestra_nb.rest.shared_endpoints",
    "list_assets": "orchestra_nb.rest.shared_endpoints",
    "show_asset": "orchestra_nb.rest.shared_endpoints",
    "list_events": "orchestra_nb.rest.shared_endpoints",
    "read_statistics": "orchestra_nb.rest.shared_endpoints",
    "list_tokens": "orchestra_nb.rest.token_endpoints",
    "create_token": "orchestra_nb.rest.token_endpoints",
    "revoke_token": "orchestra_nb.rest.token_endpoints",
    "list_audit": "orchestra_nb.rest.audit_endpoints",
    "show_me": "orchestra_nb.rest.identity_endpoints",
}

/** The page of one run: its failure first, then its head, and tabs with what it did; live while it is in sight. */

import { html, showText } from '../../drawing/elements';
import { RunGraph } from '../../drawing/runGraph';
import type { IDrawingOptions } from '../../drawing/taskLine';
import { TaskTable } from '../../drawing/taskTable';
import { Timeline } from '../../drawing/timeline';
import { LogLines } from '../../logLines';
import { ServerLogs } from '../../logSource';
import type { IRun, ITaskView } from '../../schemas';
import { errorText } from '../dialogs';
import type { IPage, IPageContext } from '../page';
import type { IRunStep } from '../pagesApi';
import { Tabs } from '../tabs';
import { ArtifactsView } from './artifactsView';
import { FailureBlock } from './failureBlock';
import { NotebookView } from './notebookView';
import { ParametersView } from './parametersView';
import { QuestionsBlock } from './questionsBlock';
import { askToResume, stepOf } from './resumption';
import { RunHeader } from './runHeader';
import { RunRecords } from './runRecords';
import type { IRunView } from './runView';
import { ValuesView } from './valuesView';

/** Shows a run. */
export class RunPage implements IPage {
  constructor(context: IPageContext, runId: string) {
    this._context = context;
    this.runId = runId;
    this.title = context.texts.__('Run');
    this._records = new RunRecords({ ...context, runId });
    this._header = new RunHeader(context, attempt => this._showAttempt(attempt));
    this._questions = new QuestionsBlock(context, runId);
    this._failure = new FailureBlock(context, cellId => this._showCell(cellId));
    this._tabs = this._makeTabs();
    this._drawing = {
      texts: context.texts,
      clock: context.clock,
      locale: context.locale,
      actions: {
        openLogs: task => this._openLogs(task),
        showCell: cellId => this._showCell(cellId),
        cancel: task => void this._cancelTask(task),
        canCancel: isTask,
        resume: task => this._resume(stepOf(this._records.run, task)),
        canResume: task => stepOf(this._records.run, task) !== null,
        resumeAll: name => this._resume({ task: name })
      }
    };
    this._notice.textContent = context.texts.__('Reading the run…');
    this._tabs.node.hidden = true;
    this.node.append(
      this._notice,
      this._header.node,
      this._problem,
      this._questions.node,
      this._failure.node,
      this._tabs.node
    );
    this._records.changed.connect(this._onChanged, this);
    this._watch = context.runs.watch();
  }

  readonly node = html('div', { class: 'orc-page orc-run-page' });
  readonly runId: string;
  title: string;
  onTitle: (() => void) | null = null;

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._records.dispose();
    this._watch.dispose();
    this._unfollow?.();
    this._questions.dispose();
    this._views.forEach(view => view.dispose());
    this.node.remove();
  }

  private _makeTabs(): Tabs {
    const { texts } = this._context;
    const tabs = [
      { key: 'graph', label: texts.__('Graph') },
      { key: 'timeline', label: texts.__('Timeline') },
      { key: 'tasks', label: texts.__('Tasks') },
      { key: 'logs', label: texts.__('Logs') },
      { key: 'results', label: texts.__('Results') },
      { key: 'artifacts', label: texts.__('Artifacts') },
      { key: 'parameters', label: texts.__('Parameters') },
      { key: 'notebook', label: texts.__('Notebook') }
    ];
    return new Tabs(tabs, texts.__('What this run did'), (key, panel) => this._onTab(key, panel));
  }

  private _onTab(key: string, panel: HTMLElement): void {
    let view = this._views.get(key);
    if (view === undefined) {
      view = this._makeView(key);
      this._views.set(key, view);
      panel.append(view.node);
    }
    view.update(this._records);
  }

  private _makeView(key: string): IRunView {
    switch (key) {
      case 'graph': {
        const graph = new RunGraph(this._drawing);
        return viewOf(graph, records => graph.update(records.tasks, records.isLive));
      }
      case 'timeline': {
        const timeline = new Timeline(this._drawing);
        return viewOf(timeline, records =>
          timeline.update(records.all, records.attempts, records.isLive)
        );
      }
      case 'tasks': {
        const table = new TaskTable(this._drawing);
        return viewOf(table, records => table.update(records.all, records.isLive));
      }
      case 'logs': {
        const { api, runs, texts, locale } = this._context;
        const source = new ServerLogs(() => [this.runId], api, runs);
        const logs = new LogLines({ source, texts, locale });
        this._logs = logs;
        return viewOf(logs, () => undefined);
      }
      case 'results':
        return this._makeValues();
      case 'artifacts':
        return new ArtifactsView(this._context);
      case 'parameters':
        return new ParametersView(this._context);
      default: {
        const notebook = new NotebookView(this._context, this.runId);
        this._notebook = notebook;
        return notebook;
      }
    }
  }

  private _makeValues(): IRunView {
    const { texts, pagesApi } = this._context;
    const values = new ValuesView({ texts, readValues: runId => pagesApi.readValues(runId) });
    return viewOf(values, ({ run }) => {
      const state = run === null ? '' : `${run.epoch} ${run.state} ${run.tasks?.done ?? ''}`;
      values.update(run?.run_id ?? null, state, run?.kind === 'interactive');
    });
  }

  /** At most once a frame, however many messages come. */
  private _onChanged(): void {
    if (!this._isWaiting) {
      this._isWaiting = true;
      requestAnimationFrame(() => {
        this._isWaiting = false;
        if (!this._isDisposed) {
          this._show();
        }
      });
    }
  }

  private _show(): void {
    const { run, problem } = this._records;
    showText(this._notice, run === null && problem === '' ? (this._notice.textContent ?? '') : '');
    showText(this._problem, problem || this._said);
    if (run === null) {
      return;
    }
    this._header.update(this._records);
    this._questions.update(run);
    this._showTitle(run);
    this._followTime();
    if (!this._records.isRead) {
      return;
    }
    this._failure.update(this._records);
    this._tabs.setHidden('graph', this._records.tasks.length === 0);
    this._tabs.setHidden('notebook', run.notebook_path === null && run.output_path === null);
    this._tabs.node.hidden = false;
    if (!this._tabs.has(this._tabs.chosen)) {
      this._tabs.choose(this._records.tasks.length > 0 ? 'graph' : 'tasks');
    } else {
      this._views.get(this._tabs.chosen)?.update(this._records);
    }
  }

  private _showTitle(run: IRun): void {
    const title = `${run.flow_name} · ${run.name}`;
    if (title !== this.title) {
      this.title = title;
      this.onTitle?.();
    }
  }

  private _followTime(): void {
    if (this._records.isLive) {
      this._unfollow ??= this._context.clock.follow(() => this._header.showTime());
    } else {
      this._unfollow?.();
      this._unfollow = null;
    }
  }

  private _openLogs(task: ITaskView): void {
    this._tabs.choose('logs');
    this._logs?.showTask(isTask(task) ? task.task_run_id : null);
    this._logs?.focus();
  }

  private _showCell(cellId: string): void {
    this._tabs.choose('notebook');
    this._notebook?.showCell(cellId);
  }

  private _showAttempt(attempt: number): void {
    this._tabs.choose('notebook');
    this._notebook?.showAttempt(attempt);
    this._notebook?.node.scrollIntoView({ block: 'start' });
  }

  private _resume(step: IRunStep | null): void {
    if (step !== null) {
      void askToResume(this._context, this._records, step);
    }
  }

  private async _cancelTask(task: ITaskView): Promise<void> {
    const { api, texts } = this._context;
    try {
      await api.cancelTask(task.run_id, task.task_run_id);
      this._said = '';
    } catch (error) {
      this._said = errorText(error, texts);
    }
    showText(this._problem, this._said);
  }

  private readonly _context: IPageContext;
  private readonly _records: RunRecords;
  private readonly _header: RunHeader;
  private readonly _questions: QuestionsBlock;
  private readonly _failure: FailureBlock;
  private readonly _tabs: Tabs;
  private readonly _drawing: IDrawingOptions;
  private readonly _views = new Map<string, IRunView>();
  private _logs: LogLines | null = null;
  private _notebook: NotebookView | null = null;
  private readonly _watch: { dispose(): void };
  private _unfollow: (() => void) | null = null;
  private _isWaiting = false;
  private _isDisposed = false;
  private _said = '';
  private readonly _notice = html('p', { class: 'orc-empty', role: 'status' });
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
}

function viewOf(
  drawing: { readonly node: HTMLElement; dispose(): void },
  update: IRunView['update']
): IRunView {
  return { node: drawing.node, update, dispose: () => drawing.dispose() };
}

function isTask(task: ITaskView): boolean {
  return !task.task_run_id.includes('-cell-');
}

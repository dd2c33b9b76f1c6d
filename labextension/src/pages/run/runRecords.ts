/** What is known of one run, kept live: the run, its tasks and its cells, and which of them is at fault. */

import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { Clock } from '../../drawing/clock';
import { isFailure, isLive } from '../../drawing/states';
import { NOT_RUN, firstFailure } from '../../drawing/taskGroups';
import type { IAttempt } from '../../drawing/timeSpans';
import type { ITexts } from '../../drawing/translation';
import type { ICell, IRun, ITaskView } from '../../schemas';
import type { IOrchestraApi, IRunsChange, IRunsModel } from '../../tokens';
import { errorText } from '../dialogs';
import type { PagesApi } from '../pagesApi';
import { Retry } from './retry';

/** What the records need. */
export interface IRunRecordsOptions {
  readonly runId: string;
  readonly api: IOrchestraApi;
  readonly pagesApi: PagesApi;
  readonly runs: IRunsModel;
  readonly texts: ITexts;
  readonly clock: Clock;
}

/** Holds the records of one run; what the model forgets stays here. */
export class RunRecords {
  constructor(private readonly _options: IRunRecordsOptions) {
    this._retry = new Retry(_options.clock, () => this._readAttempts());
    _options.runs.changed.connect(this._onChanged, this);
    _options.runs.connectionChanged.connect(this._onConnection, this);
    void this._load();
  }

  /** Emitted when any of it changes. */
  get changed(): ISignal<RunRecords, void> {
    return this._changed;
  }

  /** Null until it is read. */
  get run(): IRun | null {
    return this._run;
  }

  /** The task runs of the newest epoch, in the order of their creation. */
  get tasks(): readonly ITaskView[] {
    return this._tasks;
  }

  /** The cells as tasks, in the notebook's order: each waits for nothing but its turn. */
  get cells(): readonly ITaskView[] {
    return this._cells;
  }

  /** Cell id to what people call the cell, such as "cell 3", in the notebook's order. */
  get cellNames(): ReadonlyMap<string, string> {
    return this._cellNames;
  }

  /** Cells and tasks, as tables and timelines show them. */
  get all(): readonly ITaskView[] {
    return [...this._cells, ...this._tasks];
  }

  /** Task run id to its attempts, where there was more than one. */
  get attempts(): ReadonlyMap<string, readonly IAttempt[]> {
    return this._attempts;
  }

  /** Seconds that the flow takes, by its last successes; null before the first. */
  get expectedSeconds(): number | null {
    return this._expected;
  }

  /** Why the run cannot be shown; empty when it can. */
  get problem(): string {
    return this._problem;
  }

  /** Whether the tasks and cells are there, too, and not the run alone. */
  get isRead(): boolean {
    return this._isRead;
  }

  /** Whether more may follow. */
  get isLive(): boolean {
    return this._run !== null && isLive(this._run.state);
  }

  /** What failed first of its own: a task, else a cell; null when nothing did. */
  get failure(): ITaskView | null {
    return firstFailure(this._tasks) ?? firstFailure(this._cells) ?? null;
  }

  /** All that failed of its own, each once: of a cell that is a task, the task. */
  get failures(): readonly ITaskView[] {
    const failed = this.all.filter(one => isFailure(one.state) && one.state !== 'UPSTREAM_FAILED');
    const cellsOfTasks = new Set(this._tasks.map(task => task.cell_id));
    return failed.filter(one => this._tasks.includes(one) || !cellsOfTasks.has(one.cell_id));
  }

  /** Aborted when they are disposed with their page, for what that asks. */
  get gone(): AbortSignal {
    return this._gone.signal;
  }

  dispose(): void {
    this._isDisposed = true;
    this._gone.abort();
    this._retry.stop();
    this._options.runs.changed.disconnect(this._onChanged, this);
    this._options.runs.connectionChanged.disconnect(this._onConnection, this);
    Signal.clearData(this);
  }

  private async _load(): Promise<void> {
    const { runId, api, runs, texts } = this._options;
    if (!(await runs.load(runId)) && !this._isDisposed) {
      try {
        await api.readRun(runId); // tells why
        await runs.load(runId);
      } catch (error) {
        this._problem = errorText(error, texts);
      }
    }
    if (!this._isDisposed) {
      this._isRead = this._problem === '';
      this._take();
    }
  }

  private _onChanged(_: IRunsModel, change: IRunsChange): void {
    if (change.runs.has(this._options.runId)) {
      this._take();
    }
  }

  /** What could not be read may be there now that the server is back. */
  private _onConnection(): void {
    if (this._options.runs.connection === 'connected' && this._run === null) {
      void this._load();
    }
  }

  private _take(): void {
    const { runId, runs, texts } = this._options;
    const run = runs.run(runId);
    if (run === undefined) {
      this._changed.emit();
      return;
    }
    const isFirst = this._run === null;
    this._run = run;
    this._problem = '';
    this._tasks = runs.tasksOf(runId).filter(task => task.epoch === run.epoch);
    const cells = runs.cellsOf(runId);
    const isOver = !isLive(run.state);
    this._cells = cells.map(cell => cellAsTask(cell, texts, this._tasks, isOver));
    this._cellNames = new Map(cells.map(cell => [cell.cell_id, cellName(cell.number, texts)]));
    if (isFirst && run.kind !== 'interactive') {
      void this._readExpected(run);
    }
    this._readAttempts();
    this._changed.emit();
  }

  private async _readExpected(run: IRun): Promise<void> {
    try {
      this._expected = await this._options.pagesApi.readExpectedSeconds(run);
    } catch {
      return; // a convenience: the page is as good without it
    }
    if (!this._isDisposed) {
      this._changed.emit();
    }
  }

  /** Read the attempts anew when one has begun or ended since they were read. */
  private _readAttempts(): void {
    const retried = this._tasks.filter(task => task.attempt > 1);
    const wanted = retried.map(task => `${task.task_run_id} ${task.attempt} ${task.state}`).join();
    if (wanted === this._attemptsOf || this._isReadingAttempts || this._retry.isWaiting) {
      return;
    }
    this._attemptsOf = wanted;
    this._isReadingAttempts = true;
    const { pagesApi, runId } = this._options;
    pagesApi
      .readAttempts(runId)
      .then(attempts => {
        const found = new Map<string, IAttempt[]>();
        for (const attempt of attempts) {
          const of = found.get(attempt.task_run_id) ?? [];
          found.set(attempt.task_run_id, [...of, attempt]);
        }
        this._attempts = found;
        this._retry.stop();
      })
      .catch(() => {
        this._attemptsOf = ''; // asked again in a while
        if (!this._isDisposed) {
          this._retry.failed();
        }
      })
      .finally(() => {
        this._isReadingAttempts = false;
        if (!this._isDisposed) {
          this._readAttempts();
          this._changed.emit();
        }
      });
  }

  private readonly _changed = new Signal<RunRecords, void>(this);
  private readonly _retry: Retry;
  private _run: IRun | null = null;
  private _tasks: readonly ITaskView[] = [];
  private _cells: readonly ITaskView[] = [];
  private _cellNames: ReadonlyMap<string, string> = new Map();
  private _attempts: ReadonlyMap<string, readonly IAttempt[]> = new Map();
  private _attemptsOf = '';
  private _isReadingAttempts = false;
  private _expected: number | null = null;
  private _problem = '';
  private _isRead = false;
  private _isDisposed = false;
  private readonly _gone = new AbortController();
}

/** Say what people call the cell of this number: code cells of their own file, from 1; 0 is that of the parameters. */
export function cellName(number: number, texts: ITexts): string {
  return number === 0 ? texts.__('parameters') : texts.__('cell %1', number);
}

/**
 * Give a cell as a task, so that the same drawings show both.
 *
 * @param tasks those of its run: a cell that only started a task has failed where that has.
 * @param isOver whether its run has ended: what has not begun by then never does.
 */
export function cellAsTask(
  cell: ICell,
  texts: ITexts,
  tasks: readonly ITaskView[] = [],
  isOver = false
): ITaskView {
  const name = cellName(cell.number, texts);
  const { started_at, ended_at, error } = cell;
  return {
    ...{ epoch: cell.epoch, message: cell.message, started_at, ended_at, error },
    state: shownState(cell, tasks, isOver),
    task_run_id: `${cell.run_id}-cell-${cell.index}`,
    run_id: cell.run_id,
    name: cell.title === '' ? name : `${name} · ${cell.title}`,
    attempt: cell.started_at === null ? 0 : cell.attempt,
    max_attempts: cell.max_attempts,
    created_at: null,
    worker: null,
    expected_seconds: null,
    upstream: [],
    cell_id: cell.cell_id || null,
    tags: {}
  };
}

function shownState(cell: ICell, tasks: readonly ITaskView[], isOver: boolean): string {
  if (isOver && cell.started_at === null && isLive(cell.state)) {
    return NOT_RUN;
  }
  const isOwn = (task: ITaskView): boolean =>
    cell.cell_id !== null && task.cell_id === cell.cell_id;
  const failed = tasks.find(task => isOwn(task) && isFailure(task.state));
  return cell.state === 'COMPLETED' && failed !== undefined ? failed.state : cell.state;
}

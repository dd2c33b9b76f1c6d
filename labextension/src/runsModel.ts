/**
 * The runs of the server, kept live by one websocket for all views of the page.
 *
 * The list is read once; from its sequence number on the stream tells every change, also after a break: the stream is
 * asked for what came since the last sequence number that arrived. While nobody watches, or the page has been hidden for
 * long, there is no connection.
 */

import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, NO_SERVER_EXTENSION } from './apiError';
import { isLive, laterRecord } from './drawing/states';
import { readStreamMessage } from './schemas';
import type { ICell, IRun, ITaskView } from './schemas';
import type { Connection, IOrchestraApi, IRunsChange, IRunsModel } from './tokens';

/** Times in milliseconds. */
export interface IRunsModelTimes {
  /** Wait before the first attempt to reconnect; doubles with each. */
  readonly firstRetry: number;
  readonly longestRetry: number;
  /** How long the connection outlives the last watcher. */
  readonly linger: number;
  /** How long the connection is kept while the page is hidden. */
  readonly hidden: number;
}

const TIMES: IRunsModelTimes = {
  firstRetry: 500,
  longestRetry: 30_000,
  linger: 10_000,
  hidden: 300_000
};

/** Runs that are listed. */
const LISTED_RUNS = 50;

/** With more runs than this, the ended ones that would not be listed are dropped. */
const KEPT_RUNS = 300;

/** Keeps the records. Views connect to its signals and hold a `watch()` while they are in sight. */
export class RunsModel implements IRunsModel, IDisposable {
  constructor(api: IOrchestraApi, times: Partial<IRunsModelTimes> = {}) {
    this._api = api;
    this._times = { ...TIMES, ...times };
    document.addEventListener('visibilitychange', this._onVisibility);
  }

  get changed(): ISignal<IRunsModel, IRunsChange> {
    return this._changed;
  }

  get cellsChanged(): ISignal<IRunsModel, readonly ICell[]> {
    return this._cellsChanged;
  }

  get logged(): ISignal<IRunsModel, readonly string[]> {
    return this._logged;
  }

  get asked(): ISignal<IRunsModel, readonly string[]> {
    return this._asked;
  }

  get listsChanged(): ISignal<IRunsModel, readonly string[]> {
    return this._listsChanged;
  }

  get connectionChanged(): ISignal<IRunsModel, void> {
    return this._connectionChanged;
  }

  get connection(): Connection {
    return this._connection;
  }

  get trouble(): string {
    return this._trouble;
  }

  get runs(): readonly IRun[] {
    // Ids sort by the time of creation.
    return [...this._runs.values()].sort((a, b) => (a.run_id < b.run_id ? 1 : -1));
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  run(runId: string): IRun | undefined {
    return this._runs.get(runId);
  }

  task(taskRunId: string): ITaskView | undefined {
    return this._tasks.get(taskRunId);
  }

  tasksOf(runId: string): readonly ITaskView[] {
    const ids = this._taskIds.get(runId) ?? [];
    const tasks = [...ids].flatMap(id => this._tasks.get(id) ?? []);
    // Stable: what was created in the same millisecond stays as the server gave it.
    const created = tasks.map((task): [number, ITaskView] => [
      Date.parse(task.created_at ?? '') || 0,
      task
    ]);
    return created.sort(([a], [b]) => a - b).map(([, task]) => task);
  }

  cellsOf(runId: string): readonly ICell[] {
    const cells = [...(this._cells.get(runId)?.values() ?? [])];
    return cells.sort((a, b) => a.index - b.index);
  }

  load(runId: string): Promise<boolean> {
    const known = this._loads.get(runId);
    if (known !== undefined) {
      return known;
    }
    const load = this._load(runId);
    this._loads.set(runId, load);
    return load;
  }

  loadError(runId: string): unknown {
    return this._loadErrors.get(runId) ?? null;
  }

  watch(): IDisposable {
    this._watchers += 1;
    this._adapt();
    return new DisposableDelegate(() => {
      this._watchers -= 1;
      this._adapt();
    });
  }

  reconnect(): void {
    this._disconnect();
    this._failures = 0;
    this._adapt();
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    document.removeEventListener('visibilitychange', this._onVisibility);
    this._clearStop();
    this._disconnect();
    Signal.clearData(this);
  }

  /** Connect when somebody watches and the page is seen; let go of the connection some time after. */
  private _adapt(): void {
    const isWanted = this._watchers > 0 && !document.hidden && !this._isDisposed;
    if (isWanted) {
      this._clearStop();
      if (this._connection === 'idle') {
        void this._connect();
      }
    } else if (this._stopTimer === null && this._connection !== 'idle') {
      const wait = this._watchers > 0 ? this._times.hidden : this._times.linger;
      this._stopTimer = setTimeout(() => {
        this._stopTimer = null;
        this._disconnect();
      }, wait);
    }
  }

  private async _connect(): Promise<void> {
    const attempt = ++this._attempt;
    this._setConnection(this._failures === 0 ? 'connecting' : 'reconnecting', this._trouble);
    try {
      // A short break is bridged by the stream's replay; after a longer one the server says what is wrong.
      if (this._sequence === null || this._failures > 1) {
        await this._refresh();
      }
      if (attempt === this._attempt) {
        this._openSocket(attempt);
      }
    } catch (error) {
      if (attempt === this._attempt) {
        this._onFailure(error);
      }
    }
  }

  private _openSocket(attempt: number): void {
    const socket = this._api.openStream(this._sequence ?? 0);
    this._socket = socket;
    socket.onmessage = event => {
      if (attempt === this._attempt) {
        this._onMessage(event.data);
      }
    };
    socket.onclose = () => {
      if (attempt === this._attempt) {
        this._onFailure(null);
      }
    };
  }

  private _onMessage(data: unknown): void {
    const message = typeof data === 'string' ? readStreamMessage(parse(data)) : null;
    if (message === null) {
      return;
    }
    this._failures = 0;
    this._setConnection('connected', '');
    if (message.reset) {
      this._sequence = null;
      this._disconnect();
      void this._connect();
      return;
    }
    this._sequence = message.sequence;
    this._take(message.runs, message.tasks, message.cells, true);
    if (message.cells.length > 0) {
      this._cellsChanged.emit(message.cells);
    }
    if (message.logs.length > 0) {
      this._logged.emit(message.logs);
    }
    if (message.inputs.length > 0) {
      this._asked.emit(message.inputs);
    }
    if (message.lists.length > 0) {
      this._listsChanged.emit(message.lists);
    }
  }

  private _onFailure(error: unknown): void {
    this._closeSocket();
    const status = error instanceof ApiError ? error.status : 0;
    if (error instanceof ApiError && error.code === NO_SERVER_EXTENSION) {
      console.info(
        'Orchestra: this server has no orchestra_nb extension; runs are shown as saved.'
      );
      this._setConnection('missing', error.message);
      return;
    }
    if (error instanceof ApiError && (status === 401 || status === 403)) {
      this._setConnection('refused', error.message);
      return;
    }
    this._failures += 1;
    const { firstRetry, longestRetry } = this._times;
    const delay = Math.min(longestRetry, firstRetry * 2 ** (this._failures - 1));
    // Not all pages at once when the server is back.
    const spread = delay * (0.75 + Math.random() / 2);
    this._setConnection('reconnecting', error instanceof ApiError ? error.message : '');
    this._retryTimer = setTimeout(() => {
      this._retryTimer = null;
      void this._connect();
    }, spread);
  }

  /** Read the list anew, and the tasks of the runs whose tasks were known. */
  private async _refresh(): Promise<void> {
    const page = await this._api.listRuns(LISTED_RUNS);
    this._sequence = page.sequence;
    this._take(page.runs, [], [], true);
    this._loads.forEach((load, runId) => void this._reload(runId, load, page.sequence));
  }

  /** Read a run's tasks anew, unless they were read when no change was missing: a large run is not read twice. */
  private async _reload(runId: string, load: Promise<boolean>, sequence: number): Promise<void> {
    await load;
    const isCurrent = (this._readAt.get(runId) ?? -1) >= sequence;
    if (!isCurrent && !this._isDisposed && this._loads.get(runId) === load) {
      this._loads.delete(runId);
      void this.load(runId);
    }
  }

  private async _load(runId: string): Promise<boolean> {
    try {
      const { run, tasks, cells, sequence } = await this._api.readRun(runId);
      this._readAt.set(runId, sequence);
      this._loadErrors.delete(runId);
      this._take([run], tasks, cells, false);
      return true;
    } catch (error) {
      // The driver may store the run a moment after its first output is shown: the next view asks again.
      this._loads.delete(runId);
      this._loadErrors.set(runId, error);
      return false;
    }
  }

  /** Take records in; `isNewest` when they are newer than all that is known, else the later one stays. */
  private _take(
    runs: readonly IRun[],
    tasks: readonly ITaskView[],
    cells: readonly ICell[],
    isNewest: boolean
  ): void {
    for (const run of runs) {
      const known = this._runs.get(run.run_id);
      this._runs.set(run.run_id, known && !isNewest ? laterRecord(known, run) : run);
    }
    for (const task of tasks) {
      const known = this._tasks.get(task.task_run_id);
      this._tasks.set(task.task_run_id, known && !isNewest ? laterRecord(known, task) : task);
      if (known === undefined) {
        const ids = this._taskIds.get(task.run_id) ?? new Set();
        this._taskIds.set(task.run_id, ids.add(task.task_run_id));
      }
    }
    for (const cell of cells) {
      const ofRun = this._cells.get(cell.run_id) ?? new Map<number, ICell>();
      const known = ofRun.get(cell.index);
      this._cells.set(
        cell.run_id,
        ofRun.set(cell.index, known && !isNewest ? laterRecord(known, cell) : cell)
      );
    }
    if (runs.length > 0 || tasks.length > 0 || cells.length > 0) {
      this._forgetOldRuns();
      this._changed.emit({
        runs: new Set([...runs, ...tasks, ...cells].map(record => record.run_id)),
        tasks: new Set(tasks.map(task => task.task_run_id))
      });
    }
  }

  private _forgetOldRuns(): void {
    if (this._runs.size <= KEPT_RUNS) {
      return;
    }
    const old = this.runs.slice(LISTED_RUNS).filter(run => !isLive(run.state));
    const dropped = new Set(old.map(run => run.run_id));
    dropped.forEach(id => this._runs.delete(id));
    for (const runId of dropped) {
      this._loads.delete(runId);
      this._readAt.delete(runId);
      this._cells.delete(runId);
      this._taskIds.get(runId)?.forEach(id => this._tasks.delete(id));
      this._taskIds.delete(runId);
    }
  }

  private _disconnect(): void {
    this._attempt += 1;
    this._closeSocket();
    if (this._retryTimer !== null) {
      clearTimeout(this._retryTimer);
      this._retryTimer = null;
    }
    this._setConnection('idle', '');
  }

  private _closeSocket(): void {
    if (this._socket !== null) {
      this._socket.onclose = null;
      this._socket.onmessage = null;
      this._socket.close();
      this._socket = null;
    }
  }

  private _clearStop(): void {
    if (this._stopTimer !== null) {
      clearTimeout(this._stopTimer);
      this._stopTimer = null;
    }
  }

  private _setConnection(connection: Connection, trouble: string): void {
    if (connection !== this._connection || trouble !== this._trouble) {
      this._connection = connection;
      this._trouble = trouble;
      this._connectionChanged.emit();
    }
  }

  private readonly _onVisibility = (): void => this._adapt();
  private readonly _api: IOrchestraApi;
  private readonly _times: IRunsModelTimes;
  private readonly _changed = new Signal<IRunsModel, IRunsChange>(this);
  private readonly _cellsChanged = new Signal<IRunsModel, readonly ICell[]>(this);
  private readonly _logged = new Signal<IRunsModel, readonly string[]>(this);
  private readonly _asked = new Signal<IRunsModel, readonly string[]>(this);
  private readonly _listsChanged = new Signal<IRunsModel, readonly string[]>(this);
  private readonly _connectionChanged = new Signal<IRunsModel, void>(this);
  private readonly _runs = new Map<string, IRun>();
  private readonly _tasks = new Map<string, ITaskView>();
  /** Run id to the ids of its task runs. */
  private readonly _taskIds = new Map<string, Set<string>>();
  /** Run id to its cells by their index. */
  private readonly _cells = new Map<string, Map<number, ICell>>();
  /** The runs whose tasks are known or being read. */
  private readonly _loadErrors = new Map<string, unknown>();
  private readonly _loads = new Map<string, Promise<boolean>>();
  /** Number of the last change that was stored before a run was read. */
  private readonly _readAt = new Map<string, number>();
  private _connection: Connection = 'idle';
  private _trouble = '';
  private _watchers = 0;
  private _failures = 0;
  /** Counts the attempts to connect: what belongs to an older one is not heard any more. */
  private _attempt = 0;
  /** The last sequence number that arrived; null before the first list. */
  private _sequence: number | null = null;
  private _socket: WebSocket | null = null;
  private _retryTimer: ReturnType<typeof setTimeout> | null = null;
  private _stopTimer: ReturnType<typeof setTimeout> | null = null;
  private _isDisposed = false;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

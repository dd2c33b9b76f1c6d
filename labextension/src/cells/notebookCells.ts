/**
 * What the cells of one open notebook did last: read once from the server, then kept by its stream.
 *
 * The stream is followed while somebody looks. After a run has ended, after the notebook was saved and after a break of
 * the connection all is read again: only the server tells how long a cell usually runs, and what still holds.
 */

import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../apiError';
import { isLive } from '../drawing/states';
import type { ICell, IRun } from '../schemas';
import type { IRunsChange, IRunsModel } from '../tokens';
import { laterCell, recordOfCell, recordOfTask } from './cellRecords';
import type { ICellRecord, INotebookCellsAnswer } from './cellRecords';
import type { ICellsApi } from './cellsApi';

/** After a run has ended the server is asked so much later, in milliseconds: runs may end together. */
const SETTLING = 300;

/** Answers that say nothing is known: there is no such file yet, none of this machine, or the reader may not. */
const QUIET = [401, 403, 404, 409];

/** Is told how reading them went. */
export interface IReadingOutcome {
  failed(error: unknown): void;
  worked(): void;
}

/** Keeps the records. */
export class NotebookCells implements IDisposable {
  /**
   * @param path - of the notebook, as the server's file browser has it
   * @param settling - how long to wait after the end of a run, in milliseconds
   */
  constructor(
    private readonly _api: ICellsApi,
    private readonly _runs: IRunsModel,
    path: string,
    private readonly _outcome: IReadingOutcome,
    private readonly _settling = SETTLING
  ) {
    this._path = path;
    _runs.changed.connect(this._onChanged, this);
    _runs.cellsChanged.connect(this._onCells, this);
    _runs.connectionChanged.connect(this._onConnection, this);
  }

  /** Emitted after records changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Give what is known of a cell. */
  record(cellId: string): ICellRecord | undefined {
    return this._records.get(cellId);
  }

  /** Follow the stream, or no more. */
  setFollowing(isFollowing: boolean): void {
    if (isFollowing && this._watch === null && !this._isDisposed) {
      this._watch = this._runs.watch();
      void this.refresh();
    } else if (!isFollowing) {
      this._watch?.dispose();
      this._watch = null;
    }
  }

  /** The notebook has another path now. */
  setPath(path: string): void {
    this._path = path;
    this._paths.clear();
    this._strangers.clear();
    this._records.clear();
    this._changed.emit();
    void this.refresh();
  }

  /** Read all again; what is asked while an answer is awaited is asked once more after it. */
  async refresh(): Promise<void> {
    if (this._isDisposed || this._isAsking) {
      this._isStale = true;
      return;
    }
    this._isAsking = true;
    const path = this._path;
    try {
      do {
        this._isStale = false;
        const answer = await this._api.readCells(path);
        if (!this._isDisposed && path === this._path) {
          this._outcome.worked();
          this._take(answer);
        }
      } while (this._isStale && !this._isDisposed && path === this._path);
    } catch (error) {
      if (!(error instanceof ApiError && QUIET.includes(error.status))) {
        this._outcome.failed(error);
      }
    } finally {
      this._isAsking = false;
    }
    if (path !== this._path) {
      await this.refresh();
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this.setFollowing(false);
    this._clearTimer();
    Signal.disconnectReceiver(this);
    Signal.clearData(this);
  }

  private _take(answer: INotebookCellsAnswer): void {
    answer.paths.forEach(path => this._paths.add(path));
    for (const cell of answer.cells) {
      const known = this._records.get(cell.cell_id);
      const later = known === undefined ? cell : laterCell(known, cell);
      const isSame = known !== undefined && later.state === cell.state;
      // the answer tells it last, and of this state only
      const stale = known === undefined || isSame ? cell.stale : later.stale;
      const expected = cell.expected_seconds ?? later.expected_seconds;
      this._records.set(cell.cell_id, { ...later, stale, expected_seconds: expected });
    }
    this._changed.emit();
  }

  private _onChanged(_: IRunsModel, change: IRunsChange): void {
    const runs = [...change.runs].map(id => this._runs.run(id)).filter(run => run !== undefined);
    const ours = new Map(runs.filter(run => this._isOurs(run)).map(run => [run.run_id, run]));
    const found: ICellRecord[] = [];
    for (const id of change.tasks) {
      const task = this._runs.task(id);
      const run = ours.get(task?.run_id ?? '');
      const record = task && run ? recordOfTask(task, run) : null;
      if (record !== null) {
        found.push(record);
      }
    }
    this._merge(found);
    if ([...ours.values()].some(run => !isLive(run.state))) {
      this._refreshSoon();
    }
  }

  private _onCells(_: IRunsModel, cells: readonly ICell[]): void {
    const found: ICellRecord[] = [];
    for (const cell of cells) {
      const run = this._runs.run(cell.run_id);
      if (run === undefined) {
        void this._askForRun(cell.run_id);
      } else if (this._isOurs(run)) {
        found.push(recordOfCell(cell, run));
      }
    }
    this._merge(found);
  }

  /** A run may be older than all that the page knows: what its cells do is read once it is known. */
  private async _askForRun(runId: string): Promise<void> {
    if (this._asked.has(runId)) {
      return;
    }
    this._asked.add(runId);
    await this._runs.load(runId);
    const run = this._runs.run(runId);
    if (run !== undefined && !this._isDisposed && this._isOurs(run)) {
      this._refreshSoon();
    }
  }

  private _onConnection(): void {
    if (this._runs.connection === 'connected' && this._watch !== null) {
      void this.refresh();
    }
  }

  private _merge(found: readonly ICellRecord[]): void {
    for (const record of found) {
      const known = this._records.get(record.cell_id);
      this._records.set(record.cell_id, known === undefined ? record : laterCell(known, record));
    }
    if (found.length > 0) {
      this._changed.emit();
    }
  }

  /** Tell whether a run is one of this notebook; of a path that may be another one of it the server is asked. */
  private _isOurs(run: IRun): boolean {
    const path = run.notebook_path?.replace(/\\/g, '/') ?? '';
    if (run.notebook_path === null || this._paths.has(run.notebook_path)) {
      return run.notebook_path !== null;
    }
    if (baseName(path) === baseName(this._path) && !this._strangers.has(path)) {
      this._strangers.add(path);
      this._refreshSoon();
    }
    return false;
  }

  private _refreshSoon(): void {
    this._clearTimer();
    this._timer = setTimeout(() => {
      this._timer = null;
      void this.refresh();
    }, this._settling);
  }

  private _clearTimer(): void {
    if (this._timer !== null) {
      clearTimeout(this._timer);
      this._timer = null;
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _records = new Map<string, ICellRecord>();
  /** The paths by which runs name this notebook. */
  private readonly _paths = new Set<string>();
  /** Paths of runs of notebooks of this name that the server has been asked about. */
  private readonly _strangers = new Set<string>();
  /** Ids of runs that the page did not know. */
  private readonly _asked = new Set<string>();
  private _path: string;
  private _watch: IDisposable | null = null;
  private _isAsking = false;
  /** Whether something was asked while an answer was awaited. */
  private _isStale = false;
  private _timer: ReturnType<typeof setTimeout> | null = null;
  private _isDisposed = false;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

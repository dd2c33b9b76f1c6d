/** What the plugins give to each other, and to other extensions. */

import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { IEarlierRun } from './form/earlierRuns';
import type { INotebookParameters } from './form/fields';
import type { ICell, ILogLine, IRun, ITaskView } from './schemas';

/** A page of runs; a stream from `sequence` on misses nothing. */
export interface IRunPage {
  readonly runs: readonly IRun[];
  readonly sequence: number;
}

/** One run with its tasks in the order of their creation and its cells in the notebook's order. */
export interface IRunDetails {
  readonly run: IRun;
  readonly tasks: readonly ITaskView[];
  readonly cells: readonly ICell[];
  /** Number of the last change that had been stored before. */
  readonly sequence: number;
}

/** A page of log lines; `next` is the `after` of the following page. */
export interface ILogPage {
  readonly lines: readonly ILogLine[];
  readonly next: number;
}

/** The server's API. All methods throw `ApiError` where the server answers with an error. */
export interface IOrchestraApi {
  /** Read the newest runs. */
  listRuns(limit: number): Promise<IRunPage>;
  /** Read one run, by its id. */
  readRun(runId: string): Promise<IRunDetails>;
  /** Read log lines after a sequence number, of all tasks or of one. */
  readLogs(runId: string, taskRunId: string | null, after: number): Promise<ILogPage>;
  /** Read which parameters a notebook takes; the path is that of the file browser. */
  readParameters(path: string): Promise<INotebookParameters>;
  /** Read runs of notebooks of this name, the newest first. */
  listEarlierRuns(flowName: string): Promise<readonly IEarlierRun[]>;
  /** Start a run of a notebook; parameters and options are names to JSON. */
  runNotebook(
    path: string,
    parameters: ReadonlyMap<string, string>,
    options: ReadonlyMap<string, string>
  ): Promise<IRun>;
  /** Ask the driver of a run to stop it. */
  cancelRun(runId: string): Promise<void>;
  /** Ask the driver of a run to stop one task. */
  cancelTask(runId: string, taskRunId: string): Promise<void>;
  /** Open the stream of changes after a sequence number. */
  openStream(since: number): WebSocket;
}

/**
 * How it stands with the server: `idle` while nobody watches, `missing` without our server extension, `refused` where
 * the reader may not read runs.
 */
export type Connection =
  'idle' | 'connecting' | 'connected' | 'reconnecting' | 'missing' | 'refused';

/** The ids of what changed. */
export interface IRunsChange {
  readonly runs: ReadonlySet<string>;
  readonly tasks: ReadonlySet<string>;
}

/** The runs of this server, live while somebody watches. */
export interface IRunsModel {
  /** Emitted after records changed. */
  readonly changed: ISignal<IRunsModel, IRunsChange>;
  /** Emitted with the cells of notebook runs that changed, after their runs are known. */
  readonly cellsChanged: ISignal<IRunsModel, readonly ICell[]>;
  /** Emitted with the ids of the runs that have new log lines. */
  readonly logged: ISignal<IRunsModel, readonly string[]>;
  /** Emitted with the ids of the runs that ask people for something new, or were answered. */
  readonly asked: ISignal<IRunsModel, readonly string[]>;
  /** Emitted with the lists beside the runs that have changed: "deployments", "alerts", "pools". */
  readonly listsChanged: ISignal<IRunsModel, readonly string[]>;
  /** Emitted when `connection` or `trouble` changes. */
  readonly connectionChanged: ISignal<IRunsModel, void>;
  readonly connection: Connection;
  /** What is wrong, in people's words; empty when nothing is. */
  readonly trouble: string;
  /** All known runs, the newest first. */
  readonly runs: readonly IRun[];
  /** Give a known run. */
  run(runId: string): IRun | undefined;
  /** Give a known task run. */
  task(taskRunId: string): ITaskView | undefined;
  /** Give the known task runs of a run in the order of their creation. */
  tasksOf(runId: string): readonly ITaskView[];
  /** Give the known cells of a notebook run in the notebook's order. */
  cellsOf(runId: string): readonly ICell[];
  /** Read a run and its tasks unless they are known; true when the server knows it. */
  load(runId: string): Promise<boolean>;
  /** Give why a run could not be read the last time; null where it could, or was not asked for. */
  loadError(runId: string): unknown;
  /** Keep the runs live until the result is disposed. */
  watch(): IDisposable;
  /** Try to connect at once. */
  reconnect(): void;
}

/** The token of the server's API. */
export const IOrchestraApi = new Token<IOrchestraApi>(
  'orchestra-nb:IOrchestraApi',
  'The API of the Orchestra server extension.'
);

/** The token of the runs model. */
export const IRunsModel = new Token<IRunsModel>(
  'orchestra-nb:IRunsModel',
  'The runs of the server, live while somebody watches.'
);

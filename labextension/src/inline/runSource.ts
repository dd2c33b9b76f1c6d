/** What the view of a run in a cell asks and does, whoever answers: the server, or the kernel in the widget. */

import type { IDrawingOptions, ITaskActions } from '../drawing/taskLine';
import type { ILogSource } from '../logSource';
import type { IRunValue, ITaskAttempt } from '../pages/pagesApi';
import type { IRun } from '../schemas';

/** Answers what is read only when somebody looks. */
export interface IRunSource {
  /** Give the log lines of some runs; there may be more of these later. */
  logs(runIds: () => readonly string[]): ILogSource;
  /** Read what a run recorded and returned. */
  readValues(runId: string): Promise<readonly IRunValue[]>;
  /** Read the attempts of those tasks of a run that were begun more than once. */
  readAttempts(runId: string): Promise<readonly ITaskAttempt[]>;
  /** Give the seconds that a run's flow takes, by its last successes; null before the first. */
  readExpectedSeconds(run: Pick<IRun, 'flow_name' | 'notebook_path'>): Promise<number | null>;
}

/** What a reader can do about a run; what is not given gets no button. */
export interface IRunActions extends ITaskActions {
  /** Open the page of a run. */
  readonly openRun?: (runId: string) => void;
  /** Ask a run to stop. */
  readonly cancelRun?: (runId: string) => void;
  /** Have a run of a deployment run again, without what it did already. */
  readonly retryRun?: (runId: string) => void;
  /** Have whoever ran them run tasks that are cells again. */
  readonly retryTasks?: (taskRunIds: readonly string[]) => void;
  /** Run cells of the notebook that holds an element again. */
  readonly rerunCells?: (cellIds: readonly string[], holder: HTMLElement) => void;
  /** Run the cell again whose output holds an element. */
  readonly rerunOwnCell?: (holder: HTMLElement) => void;
}

/** What the view of a run needs from where it is shown. */
export interface IInlineOptions extends IDrawingOptions {
  readonly actions: IRunActions;
  /** Null where nobody can be asked: the view shows what it was given. */
  readonly source: IRunSource | null;
}

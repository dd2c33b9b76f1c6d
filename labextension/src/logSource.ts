/** Where the log lines of a view come from: the server here, the kernel in the widget. */

import type { ILogLine, ITaskView } from './schemas';
import type { IOrchestraApi, IRunsChange, IRunsModel } from './tokens';

/** Some lines; `isMore` when others may be there at once. */
export interface INewLines {
  readonly lines: readonly ILogLine[];
  readonly isMore: boolean;
}

/** The lines of some runs. */
export interface ILogSource {
  /** Read what came after the last read. Calls must not overlap. */
  read(): Promise<INewLines>;
  /** The tasks that lines may be of, as far as they are known. */
  tasks(): readonly ITaskView[];
  /** Have it told, until the result is called, when lines may have come and when more tasks are known. */
  follow(onLines: () => void, onTasks: () => void): () => void;
}

/** Reads the lines of runs from the server; whoever shows them watches the runs. */
export class ServerLogs implements ILogSource {
  /** @param runIds - gives the runs whose lines are wanted; there may be more later */
  constructor(
    private readonly _runIds: () => readonly string[],
    private readonly _api: Pick<IOrchestraApi, 'readLogs'>,
    private readonly _runs: IRunsModel
  ) {}

  async read(): Promise<INewLines> {
    const reads = this._runIds().map(async runId => {
      const after = this._after.get(runId) ?? 0;
      const { lines, next } = await this._api.readLogs(runId, null, after);
      return { runId, lines, next, isMore: next > after };
    });
    const pages = await Promise.all(reads);
    pages.forEach(({ runId, next }) => this._after.set(runId, next));
    const lines = pages.flatMap(page => page.lines);
    return {
      lines: pages.length > 1 ? lines.sort((a, b) => a.sequence - b.sequence) : lines,
      isMore: pages.some(page => page.isMore)
    };
  }

  tasks(): readonly ITaskView[] {
    return this._runIds().flatMap(runId => this._runs.tasksOf(runId));
  }

  follow(onLines: () => void, onTasks: () => void): () => void {
    const runs = this._runs;
    const isWanted = (runId: string): boolean => this._runIds().includes(runId);
    const logged = (_: IRunsModel, runIds: readonly string[]): void => {
      if (runIds.some(isWanted)) {
        onLines();
      }
    };
    const changed = (_: IRunsModel, change: IRunsChange): void => {
      if ([...change.runs].some(isWanted)) {
        onTasks();
      }
    };
    const connection = (): void => {
      if (runs.connection === 'connected') {
        onLines();
      }
    };
    runs.logged.connect(logged);
    runs.changed.connect(changed);
    runs.connectionChanged.connect(connection);
    const loads = this._runIds().map(runId => runs.load(runId));
    void Promise.all(loads).then(onTasks);
    return () => {
      runs.logged.disconnect(logged);
      runs.changed.disconnect(changed);
      runs.connectionChanged.disconnect(connection);
    };
  }

  /** Run id to the sequence number of the last line that was read. */
  private readonly _after = new Map<string, number>();
}

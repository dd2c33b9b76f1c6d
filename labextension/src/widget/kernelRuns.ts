/** What the view of a run asks, answered by the kernel. */

import type { IRunSource } from '../inline/runSource';
import type { ILogSource, INewLines } from '../logSource';
import { readRunValue, readTaskAttempt } from '../pages/pagesApi';
import type { IRunValue, ITaskAttempt } from '../pages/pagesApi';
import { readFields, readList, readLogLine, readNumber } from '../schemas';
import type { IRun, ITaskView, RunOutput } from '../schemas';
import type { KernelCalls } from './kernelCalls';

/** Milliseconds between two looks for log lines of a live run. */
const LOOK = 1500;

/** Asks the kernel. */
export class KernelRuns implements IRunSource {
  /** @param output - gives what is shown now */
  constructor(
    private readonly _calls: KernelCalls,
    private readonly _output: () => RunOutput | null
  ) {}

  logs(runIds: () => readonly string[]): ILogSource {
    return new KernelLogs(runIds, this._calls, this._output);
  }

  async readValues(runId: string): Promise<readonly IRunValue[]> {
    return readList(await this._calls.ask('values', { run: runId }), readRunValue);
  }

  async readAttempts(runId: string): Promise<readonly ITaskAttempt[]> {
    return readList(await this._calls.ask('attempts', { run: runId }), readTaskAttempt);
  }

  async readExpectedSeconds(
    run: Pick<IRun, 'flow_name' | 'notebook_path'>
  ): Promise<number | null> {
    const asked = { flow: run.flow_name, notebook: run.notebook_path };
    return readNumber(await this._calls.ask('expected', asked));
  }
}

/** Reads lines from the kernel, which has them from the store. */
class KernelLogs implements ILogSource {
  constructor(
    private readonly _runIds: () => readonly string[],
    private readonly _calls: KernelCalls,
    private readonly _output: () => RunOutput | null
  ) {}

  async read(): Promise<INewLines> {
    const known = this._runIds().map(runId => [runId, this._after.get(runId) ?? 0] as const);
    const answer = readFields(await this._calls.ask('logs', { after: Object.fromEntries(known) }));
    for (const [runId, sequence] of Object.entries(readFields(answer?.after) ?? {})) {
      this._after.set(runId, readNumber(sequence) ?? 0);
    }
    return { lines: readList(answer?.lines, readLogLine), isMore: answer?.is_more === true };
  }

  tasks(): readonly ITaskView[] {
    const output = this._output();
    return output === null ? [] : output.view === 'flow' ? output.tasks : [output.task];
  }

  follow(onLines: () => void, onTasks: () => void): () => void {
    const timer = setInterval(() => {
      if (this._output()?.live === true) {
        onTasks();
        onLines();
      }
    }, LOOK);
    return () => clearInterval(timer);
  }

  /** Run id to the sequence number of the last line that was read. */
  private readonly _after = new Map<string, number>();
}

/** Which cells were executed in the kernel of the open notebook since what is recorded of them. */

import type { ICellRecord } from './cellRecords';

/** What was known of a cell when it was executed. */
interface IExecution {
  /** Of the record; null where there was none yet. */
  readonly key: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Keeps what was known of each cell when it was executed last. Clocks are compared only where nothing was known. */
export class RanHere {
  /**
   * A cell begins in the kernel.
   *
   * @param now - milliseconds since the epoch
   */
  note(cellId: string, known: ICellRecord | undefined, now: number): void {
    this._executions.set(cellId, { key: known === undefined ? null : keyOf(known), at: now });
  }

  /** Tell whether a record is of before the cell was executed here. */
  isOlder(record: ICellRecord): boolean {
    const execution = this._executions.get(record.cell_id);
    if (execution === undefined) {
      return false;
    }
    return execution.key === null
      ? Date.parse(record.created_at ?? record.started_at ?? '') < execution.at
      : keyOf(record) === execution.key;
  }

  private readonly _executions = new Map<string, IExecution>();
}

/** Give what differs as soon as something newer is recorded of a cell. */
function keyOf(record: ICellRecord): string {
  const { run_id: run, task_run_id: task, epoch, attempt, state } = record;
  return [run, task, epoch, attempt, state].join(' ');
}

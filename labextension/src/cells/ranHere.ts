/** Which cells were executed in the kernel of the open notebook since what is recorded of them. */

import type { ICellRecord } from './cellRecords';
import type { ExecutionMemory } from './executionMemory';

/** What was known of a cell when it was executed. */
interface IExecution {
  /** Of the record; null where there was none yet. */
  readonly key: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Keeps what was known of each cell when it was executed last, also when the page is gone.
 *
 * Clocks are compared only where nothing was known.
 */
export class RanHere {
  /** @param path - of the notebook */
  constructor(
    private readonly _memory: ExecutionMemory,
    private _path: string
  ) {
    for (const [cellId, key] of _memory.read(_path)) {
      this._executions.set(cellId, { key, at: 0 });
    }
  }

  /**
   * The notebook has another path now.
   *
   * @param now - milliseconds since the epoch
   */
  setPath(path: string, now: number): void {
    this._path = path;
    this._remember(now);
  }

  /**
   * A cell begins in the kernel.
   *
   * @param now - milliseconds since the epoch
   */
  note(cellId: string, known: ICellRecord | undefined, now: number): void {
    this._set(cellId, known === undefined ? null : keyOf(known), now);
  }

  /** Tell whether a record is of before the cell was executed here. */
  isOlder(record: ICellRecord): boolean {
    const execution = this._executions.get(record.cell_id);
    if (execution === undefined) {
      return false;
    }
    if (execution.key !== null) {
      return keyOf(record) === execution.key;
    }
    const isOlder = Date.parse(record.created_at ?? record.started_at ?? '') < execution.at;
    if (isOlder) {
      this._set(record.cell_id, keyOf(record), execution.at); // it was there, but had not been read
    }
    return isOlder;
  }

  private _set(cellId: string, key: string | null, at: number): void {
    this._executions.delete(cellId); // the last executed is the last of the map
    this._executions.set(cellId, { key, at });
    if (key !== null) {
      this._remember(at);
    }
  }

  private _remember(now: number): void {
    const known = new Map(this._memory.read(this._path)); // another tab has written there, too
    for (const [cellId, { key }] of this._executions) {
      if (key !== null) {
        known.delete(cellId); // the last executed is the last of the map
        known.set(cellId, key);
      }
    }
    this._memory.write(this._path, known, now);
  }

  private readonly _executions = new Map<string, IExecution>();
}

/** Give what differs as soon as something newer is recorded of a cell. */
function keyOf(record: ICellRecord): string {
  const { run_id: run, task_run_id: task, epoch, attempt, state } = record;
  return [run, task, epoch, attempt, state].join(' ');
}

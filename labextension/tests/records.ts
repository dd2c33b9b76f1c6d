/** Records for the tests. */

import type { ICellRecord } from '../src/cells/cellRecords';
import type { ICell, IErrorInfo, IRun, ITaskView } from '../src/schemas';

/** Milliseconds since the epoch of the moment that the tests call now. */
export const NOW = Date.parse('2026-03-01T12:00:00Z');

/** Give the time so many seconds before now. */
export function ago(seconds: number): string {
  return new Date(NOW - seconds * 1000).toISOString();
}

/** Give an id that sorts by its number. */
export function id(number: number): string {
  return number.toString(16).padStart(32, '0');
}

export const ERROR: IErrorInfo = {
  type: 'ValueError',
  message: "could not convert 'n/a' to float",
  cell: 'cell 4',
  line: 3,
  source_line: 'float(text)',
  traceback: 'Traceback (most recent call last):\n  File "<clean>", line 3\nValueError: n/a'
};

export function task(changes: Partial<ITaskView> = {}): ITaskView {
  return {
    task_run_id: id(1),
    run_id: id(100),
    name: 'clean',
    state: 'RUNNING',
    epoch: 1,
    attempt: 1,
    max_attempts: 1,
    message: '',
    error: null,
    created_at: ago(13),
    started_at: ago(12),
    ended_at: null,
    worker: '1',
    expected_seconds: null,
    upstream: [],
    cell_id: null,
    tags: {},
    ...changes
  };
}

export function run(changes: Partial<IRun> = {}): IRun {
  return {
    run_id: id(100),
    name: 'calm-fox',
    flow_name: 'sales-report',
    kind: 'notebook',
    state: 'RUNNING',
    epoch: 1,
    message: '',
    created_at: ago(13),
    started_at: ago(12),
    ended_at: null,
    notebook_path: null,
    output_path: null,
    cluster: null,
    tasks: null,
    deployment: null,
    driver_id: 'driver',
    parameters: {},
    tags: {},
    ...changes
  };
}

export function cellView(changes: Partial<ICell> = {}): ICell {
  return {
    run_id: id(100),
    index: 0,
    number: 1,
    cell_id: 'c0',
    title: 'x = 1',
    state: 'COMPLETED',
    epoch: 1,
    attempt: 1,
    max_attempts: 1,
    message: '',
    error: null,
    created_at: null,
    started_at: ago(12),
    ended_at: ago(0),
    ...changes
  };
}

export function cellRecord(changes: Partial<ICellRecord> = {}): ICellRecord {
  return {
    cell_id: 'c0',
    run_id: id(100),
    run_name: 'calm-fox',
    task_run_id: id(1),
    name: 'load',
    state: 'COMPLETED',
    epoch: 1,
    attempt: 1,
    max_attempts: 1,
    message: '',
    error: null,
    created_at: ago(12),
    started_at: ago(12),
    ended_at: ago(0),
    expected_seconds: null,
    stale: '',
    ...changes
  };
}

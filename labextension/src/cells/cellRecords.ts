/** What is known of the cells of one notebook, from the server's answer and from its stream. */

import { laterRecord } from '../drawing/states';
import {
  readError,
  readFields,
  readList,
  readNumber,
  readRecord,
  readTextOrNull
} from '../schemas';
import type { ICell, IErrorInfo, IRecord, IRun, ITaskView } from '../schemas';

/** What a cell did last; `created_at` is when that began. */
export interface ICellRecord extends IRecord {
  readonly cell_id: string;
  readonly run_id: string;
  readonly run_name: string;
  /** Null for a cell that ran as itself. */
  readonly task_run_id: string | null;
  /** Of the task, or the title of the cell. */
  readonly name: string;
  readonly attempt: number;
  readonly max_attempts: number;
  readonly error: IErrorInfo | null;
  /** Median of the last successes; null before the first. */
  readonly expected_seconds: number | null;
  /** Why what was kept of it no longer holds; empty where it does, or nothing was kept. */
  readonly stale: string;
}

/** The server's answer about one notebook. */
export interface INotebookCellsAnswer {
  /** The paths by which runs name the notebook, its own first. */
  readonly paths: readonly string[];
  readonly cells: readonly ICellRecord[];
}

/** Read the server's answer; null when it is none. */
export function readNotebookCells(data: unknown): INotebookCellsAnswer | null {
  const fields = readFields(data);
  if (fields === null || !Array.isArray(fields.paths)) {
    return null;
  }
  return {
    paths: readList(fields.paths, readTextOrNull),
    cells: readList(fields.cells, readCellRecord)
  };
}

/** Give the record of a cell that is a task; null for a task that is no cell. */
export function recordOfTask(task: ITaskView, run: IRun): ICellRecord | null {
  if (task.cell_id === null) {
    return null;
  }
  const { state, epoch, message, created_at, started_at, ended_at } = task;
  return {
    ...{ state, epoch, message, created_at, started_at, ended_at },
    cell_id: task.cell_id,
    run_id: task.run_id,
    run_name: run.name,
    task_run_id: task.task_run_id,
    name: task.name,
    attempt: task.attempt,
    max_attempts: task.max_attempts,
    error: task.error,
    expected_seconds: task.expected_seconds,
    stale: ''
  };
}

/** Give the record of a cell of a notebook run. */
export function recordOfCell(cell: ICell, run: IRun): ICellRecord {
  return {
    cell_id: cell.cell_id,
    run_id: cell.run_id,
    state: cell.state,
    epoch: cell.epoch,
    message: cell.message,
    started_at: cell.started_at,
    ended_at: cell.ended_at,
    attempt: cell.attempt,
    max_attempts: cell.max_attempts,
    error: cell.error,
    created_at: cell.started_at ?? run.created_at,
    run_name: run.name,
    task_run_id: null,
    name: cell.title,
    expected_seconds: null,
    stale: ''
  };
}

/** Give the later of two records of a cell, with what only the other one tells of how long it runs. */
export function laterCell(known: ICellRecord, other: ICellRecord): ICellRecord {
  const later = isLater(known, other) ? other : known;
  const expected = known.expected_seconds ?? other.expected_seconds;
  return { ...later, expected_seconds: expected };
}

function isLater(known: ICellRecord, other: ICellRecord): boolean {
  if (known.run_id === other.run_id) {
    if (known.task_run_id === other.task_run_id) {
      return laterRecord(known, other) === other;
    }
    // in a run the cell only sends its task off
    if (known.task_run_id === null || other.task_run_id === null) {
      return other.task_run_id !== null;
    }
  }
  return began(other) >= began(known);
}

function began(record: IRecord): number {
  return Date.parse(record.created_at ?? '') || 0;
}

function readCellRecord(data: unknown): ICellRecord | null {
  const fields = readFields(data);
  if (fields === null || typeof fields.cell_id !== 'string' || typeof fields.run_id !== 'string') {
    return null;
  }
  return {
    ...readRecord(fields),
    cell_id: fields.cell_id,
    run_id: fields.run_id,
    run_name: readTextOrNull(fields.run_name) ?? '',
    task_run_id: readTextOrNull(fields.task_run_id),
    name: readTextOrNull(fields.name) ?? '',
    attempt: readNumber(fields.attempt) ?? 0,
    max_attempts: readNumber(fields.max_attempts) ?? 1,
    error: readError(fields.error),
    expected_seconds: readNumber(fields.expected_seconds),
    stale: readTextOrNull(fields.stale) ?? ''
  };
}

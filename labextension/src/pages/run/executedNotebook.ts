/** The executed notebook of a run, as the server tells it: texts, pictures, and HTML of tables that is not to be put into a page. */

import { readFields, readList, readNumber, readText, readTextOrNull } from '../../schemas';

/** One thing that a cell showed; `data` is base64 of a picture. */
export interface ICellOutput {
  /** "stdout", "stderr", "result", "markdown", "error", "picture" or "omitted". */
  readonly kind: string;
  readonly text: string;
  readonly mime: string;
  readonly data: string;
  /** HTML of a result with a table, of which nothing but the text of its tables may be shown; else empty. */
  readonly html: string;
}

/** A cell of it. */
export interface IExecutedCell {
  /** Place among the code cells, from 0; null for any other cell. */
  readonly index: number | null;
  /** Of a code cell: which one of the user's own file, from 1; 0 for one that only the run has. */
  readonly number: number | null;
  readonly cell_id: string;
  readonly type: string;
  readonly source: string;
  /** "pending", "running", "completed", "failed", "skipped", or empty. */
  readonly status: string;
  readonly execution_count: number | null;
  readonly seconds: number | null;
  readonly outputs: readonly ICellOutput[];
}

/** The notebook of one attempt; `cells` is null where it is as it was known. */
export interface IExecutedNotebook {
  readonly attempt: number;
  /** Those whose file is there. */
  readonly attempts: readonly number[];
  readonly version: string;
  readonly cells: readonly IExecutedCell[] | null;
}

/** Read an executed notebook; null when it is none. */
export function readExecutedNotebook(data: unknown): IExecutedNotebook | null {
  const fields = readFields(data);
  const attempt = readNumber(fields?.attempt);
  if (fields === null || attempt === null) {
    return null;
  }
  return {
    attempt,
    attempts: readList(fields.attempts, readNumber),
    version: readText(fields.version),
    cells: Array.isArray(fields.cells) ? readList(fields.cells, readCell) : null
  };
}

function readCell(data: unknown): IExecutedCell | null {
  const fields = readFields(data);
  const type = readTextOrNull(fields?.type);
  if (fields === null || type === null) {
    return null;
  }
  return {
    index: readNumber(fields.index),
    number: readNumber(fields.number),
    cell_id: readText(fields.cell_id),
    type,
    source: readText(fields.source),
    status: readText(fields.status),
    execution_count: readNumber(fields.execution_count),
    seconds: readNumber(fields.seconds),
    outputs: readList(fields.outputs, readOutput)
  };
}

function readOutput(data: unknown): ICellOutput | null {
  const fields = readFields(data);
  const kind = readTextOrNull(fields?.kind);
  return kind === null
    ? null
    : {
        kind,
        text: readText(fields?.text),
        mime: readText(fields?.mime),
        data: readText(fields?.data),
        html: readText(fields?.html)
      };
}

/** The lines that task cells have in their outputs. */

import type { Cell, CodeCell } from '@jupyterlab/cells';

import { RUN_MIME_TYPE, readRunOutput } from '../schemas';

/** Tell whether an output of a cell that is not folded shows a task run. */
export function hasTaskLine(cell: Cell, taskRunId: string | null): boolean {
  if (taskRunId === null || cell.model.type !== 'code' || (cell as CodeCell).outputHidden) {
    return false;
  }
  const { outputs } = (cell as CodeCell).model;
  for (let index = 0; index < outputs.length; index++) {
    const output = readRunOutput(outputs.get(index).data[RUN_MIME_TYPE]);
    if (output?.view === 'task' && output.task.task_run_id === taskRunId) {
      return true;
    }
  }
  return false;
}

/** The line of the one task that the reader chose, below a drawing of many. */

import type { ITaskView } from '../schemas';
import { html } from './elements';
import { TaskLine } from './taskLine';
import type { IDrawingOptions } from './taskLine';

/** Shows a task, or none. An opened trace stays open while the same task is shown. */
export class ChosenTask {
  constructor(private readonly _options: IDrawingOptions) {}

  readonly node = html('div', { class: 'orc-chosen' });

  /** Show a task; none for undefined. */
  show(task: ITaskView | undefined, live: boolean): void {
    if (task === undefined || task.task_run_id !== this._shown) {
      this._line?.dispose();
      this._line = null;
      this._shown = task?.task_run_id ?? null;
    }
    if (task !== undefined) {
      const output = { view: 'task', task, cluster: '', live } as const;
      if (this._line === null) {
        this._line = new TaskLine(output, this._options, true);
        this.node.append(this._line.node);
      } else {
        this._line.update(output);
      }
    }
  }

  dispose(): void {
    this._line?.dispose();
    this._line = null;
  }

  private _line: TaskLine | null = null;
  private _shown: string | null = null;
}

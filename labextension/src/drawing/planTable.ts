/** The tasks of a flow that was not run as a table: for reading, and for screen readers. */

import type { IFlowOutput } from '../schemas';
import { html } from './elements';
import type { ITexts } from './translation';

/** Draws the table. */
export class PlanTable {
  constructor({ texts }: { readonly texts: ITexts }) {
    const titles = [texts.__('Task'), texts.__('After')];
    const head = html('tr', {}, ...titles.map(title => html('th', { scope: 'col' }, title)));
    this.node.append(html('table', {}, html('thead', {}, head), this._body));
  }

  /** What to put into the page. */
  readonly node = html('div', { class: 'orc-table' });

  /** Show newer records. */
  update({ tasks }: IFlowOutput): void {
    const names = new Map(tasks.map(task => [task.task_run_id, task.name]));
    const rows = tasks.map(task => {
      const after = task.upstream.flatMap(id => names.get(id) ?? []).join(', ');
      return html(
        'tr',
        { 'data-task-id': task.task_run_id },
        html('th', { scope: 'row' }, task.name),
        html('td', {}, after)
      );
    });
    this._body.replaceChildren(...rows);
  }

  private readonly _body = html('tbody');
}

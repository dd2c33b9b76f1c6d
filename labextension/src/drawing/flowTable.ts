/** The tasks of a flow as a table: for reading, and for screen readers. */

import type { IFlowOutput, ITaskView } from '../schemas';
import { html, setAttributes, showText } from './elements';
import { stateIcon } from './icons';
import { isFailure, stateLook } from './states';
import type { IDrawingOptions } from './taskLine';
import { attemptCount, errorWords, stateWord, timeWords } from './taskWords';

interface IRow {
  readonly row: HTMLTableRowElement;
  readonly name: HTMLButtonElement;
  readonly state: HTMLElement;
  readonly cells: readonly HTMLTableCellElement[];
}

/** Draws the table; rows stay while their task is there. */
export class FlowTable {
  constructor(options: IDrawingOptions, choose: (task: ITaskView) => void) {
    this._options = options;
    this._choose = choose;
    const { texts } = options;
    const titles = [
      texts.__('Task'),
      texts.__('State'),
      texts.__('Time'),
      texts.__('Attempt'),
      texts.__('Worker'),
      texts.__('After'),
      texts.__('Message')
    ];
    const head = html('tr', {}, ...titles.map(title => html('th', { scope: 'col' }, title)));
    const table = html('table', {}, html('thead', {}, head), this._body);
    this.node = html('div', { class: 'orc-table', hidden: true }, table);
  }

  /** What to put into the page. */
  readonly node: HTMLElement;

  /** Show newer records. */
  update(output: IFlowOutput): void {
    const names = new Map(output.tasks.map(task => [task.task_run_id, task.name]));
    for (const [id, { row }] of this._rows) {
      if (!names.has(id)) {
        row.remove();
        this._rows.delete(id);
      }
    }
    output.tasks.forEach(task => this._showRow(task, output.live, names));
  }

  /** Mark the chosen task's row; null marks none. */
  mark(id: string | null): void {
    this._rows.forEach(({ row, name }, key) => {
      row.classList.toggle('orc-marked', key === id);
      setAttributes(name, { 'aria-pressed': String(key === id) });
    });
  }

  private _showRow(task: ITaskView, live: boolean, names: ReadonlyMap<string, string>): void {
    const { texts, clock } = this._options;
    const look = stateLook(task.state);
    const { row, name, state, cells } = this._row(task);
    setAttributes(row, { 'data-state': task.state, 'data-task-id': task.task_run_id });
    showText(name, task.name);
    setAttributes(state, { 'data-tone': look.tone });
    const word = stateWord(task.state, live, texts);
    if (state.getAttribute('data-word') !== word) {
      state.replaceChildren(stateIcon(look.icon), html('span', { class: 'orc-word' }, word));
      setAttributes(state, { 'data-word': word });
    }
    const values = [
      timeWords(task, live, clock.now(), texts),
      attemptCount(task, texts),
      task.worker ?? '',
      task.upstream.map(id => names.get(id) ?? '').join(', '),
      isFailure(task.state) ? errorWords(task) : task.message
    ];
    values.forEach((value, index) => {
      if (cells[index].textContent !== value) {
        cells[index].textContent = value;
      }
    });
  }

  private _row(task: ITaskView): IRow {
    const known = this._rows.get(task.task_run_id);
    if (known !== undefined) {
      return known;
    }
    const name = html('button', { type: 'button', class: 'orc-button' });
    name.addEventListener('click', () => this._choose(task));
    const state = html('span', { class: 'orc-state' });
    const cells = Array.from({ length: 5 }, () => html('td'));
    const row = html('tr', {}, html('th', { scope: 'row' }, name), html('td', {}, state), ...cells);
    this._body.append(row);
    const made = { row, name, state, cells };
    this._rows.set(task.task_run_id, made);
    return made;
  }

  private readonly _options: IDrawingOptions;
  private readonly _choose: (task: ITaskView) => void;
  private readonly _rows = new Map<string, IRow>();
  private readonly _body = html('tbody');
}

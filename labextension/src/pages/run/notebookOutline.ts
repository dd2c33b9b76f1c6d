/** The code cells of a run and the tasks that they are, as a list beside the executed notebook that leads to each. */

import { formatDuration, secondsRun } from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { isLive, stateLook } from '../../drawing/states';
import type { ITaskView } from '../../schemas';
import type { IPageContext } from '../page';
import type { RunRecords } from './runRecords';

interface IEntry {
  readonly item: HTMLElement;
  readonly link: HTMLButtonElement;
  readonly icon: HTMLElement;
  readonly time: HTMLElement;
}

/** Draws the list; what has the focus keeps it. */
export class NotebookOutline {
  /** @param _show - shows a cell */
  constructor(
    private readonly _context: IPageContext,
    private readonly _show: (cellId: string) => void
  ) {
    const label = _context.texts.__('Cells and tasks');
    setAttributes(this.node, { 'aria-label': label });
    this.node.append(this._list);
  }

  readonly node = html('nav', { class: 'orc-nb-outline' });

  /** Show newer records. */
  update(records: RunRecords): void {
    const entries = entriesOf(records);
    const ids = entries.map(([task]) => task.task_run_id);
    for (const [id, { item }] of this._entries) {
      if (!ids.includes(id)) {
        item.remove();
        this._entries.delete(id);
      }
    }
    entries.forEach(([task, isWithin], at) => {
      const entry = this._entries.get(task.task_run_id) ?? this._make(task, isWithin);
      this._fill(entry, task);
      if (this._list.children.item(at) !== entry.item) {
        this._list.insertBefore(entry.item, this._list.children.item(at));
      }
    });
    this.node.hidden = entries.length === 0;
  }

  /** Mark the entries of a cell. */
  mark(cellId: string): void {
    for (const { item, link } of this._entries.values()) {
      setAttributes(link, { 'aria-current': item.dataset.cellId === cellId ? 'true' : null });
    }
  }

  private _make(task: ITaskView, isWithin: boolean): IEntry {
    const icon = html('span', { class: 'orc-state' });
    const time = html('span', { class: 'orc-time' });
    const name = html('span', { class: 'orc-nb-name' }, task.name);
    const link = html('button', { type: 'button', class: 'orc-nb-entry' }, icon, name, time);
    const item = html('li', { 'data-within': isWithin, 'data-cell-id': task.cell_id }, link);
    link.addEventListener('click', () => this._show(task.cell_id ?? ''));
    const entry = { item, link, icon, time };
    this._entries.set(task.task_run_id, entry);
    return entry;
  }

  private _fill({ item, icon, time }: IEntry, task: ITaskView): void {
    const { texts, clock } = this._context;
    const look = stateLook(task.state);
    if (item.dataset.state !== task.state) {
      const word = html('span', { class: 'orc-sr-only' }, look.word(texts));
      icon.replaceChildren(stateIcon(look.icon), word);
      setAttributes(item, { 'data-state': task.state, 'data-tone': look.tone });
      setAttributes(icon, { title: look.word(texts) });
    }
    const seconds = isLive(task.state) ? null : secondsRun(task, clock.now());
    showText(time, seconds === null ? '' : formatDuration(seconds));
  }

  private readonly _list = html('ol', {});
  private readonly _entries = new Map<string, IEntry>();
}

/** Give each cell, then the tasks that it is; whether an entry is one of these. */
function entriesOf({ cells, tasks }: RunRecords): readonly (readonly [ITaskView, boolean])[] {
  return cells
    .filter(cell => cell.cell_id !== null)
    .flatMap(cell => [
      [cell, false] as const,
      ...tasks.filter(task => task.cell_id === cell.cell_id).map(task => [task, true] as const)
    ]);
}

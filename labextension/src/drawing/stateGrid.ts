/** Many task runs as squares by state: arrows lead from one to the next, a click chooses. Only rows in sight are drawn. */

import type { ITaskView } from '../schemas';
import { html, setAttributes } from './elements';
import { stateIcon } from './icons';
import { stateLook } from './states';
import { memberName } from './taskGroups';
import type { IDrawingOptions } from './taskLine';
import { errorWords, stateWord } from './taskWords';
import { VirtualRows } from './virtualRows';

/** Width and height of a square with the space after it, in pixels. */
const SQUARE = 24;
/** In a row where there is no layout yet. */
const USUAL_COLUMNS = 40;

/** Draws the grid. */
export class StateGrid {
  constructor(
    private readonly _options: IDrawingOptions,
    private readonly _choose: (task: ITaskView) => void
  ) {
    const { texts } = _options;
    setAttributes(this._grid, { 'aria-label': texts.__('Runs of this task, by state') });
    this.node.append(this._grid);
    this._rows = new VirtualRows(this.node, this._grid, SQUARE, (index, row) =>
      this._drawRow(index, row)
    );
    this._grid.addEventListener('keydown', event => this._onKey(event));
    this._grid.addEventListener('click', event => this._onClick(event));
    this._resized?.observe(this.node);
  }

  readonly node = html('div', { class: 'orc-squares' });

  /** Show newer records. */
  update(tasks: readonly ITaskView[], chosen: string | null): void {
    const hadFocus = this._grid.contains(document.activeElement);
    const isMoved = chosen !== this._chosen;
    const at = tasks.findIndex(task => task.task_run_id === chosen);
    this._tasks = tasks;
    this._chosen = chosen;
    this._entry = isMoved && at >= 0 ? at : Math.min(this._entry, tasks.length - 1);
    this._columns = Math.max(1, Math.floor(this.node.clientWidth / SQUARE) || USUAL_COLUMNS);
    const rows = Math.ceil(tasks.length / this._columns);
    setAttributes(this._grid, { 'aria-rowcount': rows, 'aria-colcount': this._columns });
    this._rows.update(Array.from({ length: rows }, (_, index) => `${this._columns} ${index}`));
    if (isMoved && at >= 0) {
      this._rows.reveal(Math.floor(at / this._columns));
    }
    if (hadFocus && !this._grid.contains(document.activeElement)) {
      this._focusEntry(); // with as many columns as fit now all rows are others
    }
  }

  dispose(): void {
    this._resized?.disconnect();
    this._rows.dispose();
    this.node.remove();
  }

  private _drawRow(index: number, known: HTMLElement | null): HTMLElement {
    const from = index * this._columns;
    const tasks = this._tasks.slice(from, from + this._columns);
    const row =
      known ?? html('div', { class: 'orc-square-row', role: 'row', 'aria-rowindex': index + 1 });
    tasks.forEach((task, at) => this._drawSquare(row, from + at, task));
    while (row.childElementCount > tasks.length) {
      row.lastElementChild?.remove();
    }
    return row;
  }

  private _drawSquare(row: HTMLElement, index: number, task: ITaskView): void {
    const { texts } = this._options;
    const at = index % this._columns;
    let cell = row.children[at] as HTMLElement | undefined;
    if (cell === undefined) {
      cell = html('span', { role: 'gridcell', class: 'orc-square-cell' });
      cell.append(html('button', { type: 'button', class: 'orc-square' }));
      row.append(cell);
    }
    const square = cell.firstElementChild as HTMLElement;
    const look = stateLook(task.state);
    const word = stateWord(task.state, true, texts);
    const error = errorWords(task);
    const label = [memberName(task, index), word, error].filter(Boolean).join(', ');
    if (square.getAttribute('data-icon-of') !== look.icon) {
      square.replaceChildren(stateIcon(look.icon));
    }
    setAttributes(square, {
      'data-icon-of': look.icon,
      'data-index': index,
      'data-state': task.state,
      'data-tone': look.tone,
      'aria-label': label,
      title: label,
      'aria-pressed': String(task.task_run_id === this._chosen),
      tabindex: index === this._entry ? 0 : -1
    });
  }

  private _onClick(event: MouseEvent): void {
    const square = event.target instanceof Element ? event.target.closest('.orc-square') : null;
    if (square !== null) {
      this._entry = Number(square.getAttribute('data-index'));
      this._choose(this._tasks[this._entry]);
    }
  }

  private _onKey(event: KeyboardEvent): void {
    const step = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: this._columns,
      ArrowUp: -this._columns,
      Home: -Infinity,
      End: Infinity
    }[event.key];
    if (step === undefined) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const last = this._tasks.length - 1;
    const wanted = Math.min(last, Math.max(0, this._entry + step));
    this._grid.querySelector('.orc-square[tabindex="0"]')?.setAttribute('tabindex', '-1');
    this._entry = wanted;
    this._focusEntry();
  }

  private _focusEntry(): void {
    const row = this._rows.reveal(Math.floor(this._entry / this._columns));
    const square = row?.children[this._entry % this._columns]?.firstElementChild;
    if (square instanceof HTMLElement) {
      square.tabIndex = 0;
      square.focus({ preventScroll: true });
    }
  }

  private _tasks: readonly ITaskView[] = [];
  private _chosen: string | null = null;
  private _columns = USUAL_COLUMNS;
  /** The square that Tab leads to. */
  private _entry = 0;
  private readonly _grid = html('div', { class: 'orc-square-grid', role: 'grid' });
  private readonly _rows: VirtualRows;
  private readonly _resized =
    typeof ResizeObserver === 'undefined'
      ? null
      : new ResizeObserver(() => {
          const columns = Math.floor(this.node.clientWidth / SQUARE);
          if (columns > 0 && columns !== this._columns && this._tasks.length > 0) {
            this.update(this._tasks, this._chosen);
          }
        });
}

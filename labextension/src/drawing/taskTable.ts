/** The tasks of a run as a table that can be sorted: the same as the graph and the timeline, for reading. */

import type { ITaskView } from '../schemas';
import { ChosenTask } from './chosenTask';
import { formatMoment, secondsRun } from './durations';
import { button, html, setAttributes, showText } from './elements';
import { stateIcon } from './icons';
import { isFailure, isLive, stateLook } from './states';
import type { IDrawingOptions } from './taskLine';
import { attemptCount, errorWords, noTasksWords, stateWord, timeWords } from './taskWords';
import { VirtualRows } from './virtualRows';

const ROW_HEIGHT = 30;
/** Below this width, in pixels, the columns of `runViews.css` have no room, and each row is a card. */
const CARDS_BELOW = 812;
/** A card has its name, its times, and a line each for worker and message where a task of the table has one. */
const CARD_HEIGHT = 74;
const CARD_LINE = 18;

type Column = 'order' | 'name' | 'state' | 'started' | 'time' | 'attempt' | 'worker' | 'message';
type Sort = readonly [Column, 'ascending' | 'descending'];

/** Draws the table; only rows in sight are in the page. */
export class TaskTable {
  constructor(private readonly _options: IDrawingOptions) {
    const { texts } = _options;
    const titles: [Column, string][] = [
      ['order', texts.__('No.')],
      ['name', texts.__('Task')],
      ['state', texts.__('State')],
      ['started', texts.__('Started')],
      ['time', texts.__('Time')],
      ['attempt', texts.__('Attempt')],
      ['worker', texts.__('Worker')],
      ['message', texts.__('Message')]
    ];
    const head = html('div', { class: 'orc-tasks-head orc-tasks-row', role: 'row' });
    head.setAttribute('aria-rowindex', '1');
    for (const [column, title] of titles) {
      const sort = button(title, texts.__('Sort by this'), () => this._sortBy(column));
      const cell = html('span', { role: 'columnheader' }, sort);
      this._heads.set(column, cell);
      head.append(cell);
    }
    setAttributes(this._find, { type: 'search', spellcheck: 'false', autocomplete: 'off' });
    this._find.addEventListener('input', () => this._draw());
    const find = html(
      'label',
      { class: 'orc-field' },
      html('span', {}, texts.__('Find a task')),
      this._find
    );
    const table = html('div', { class: 'orc-tasks-table', role: 'table' }, head, this._body);
    table.setAttribute('aria-label', texts.__('Tasks'));
    this._table = table;
    this._body.setAttribute('role', 'rowgroup');
    this._scroll.append(table);
    setAttributes(this._scroll, { tabindex: 0, role: 'group', 'aria-label': texts.__('Tasks') });
    const bar = html('div', { class: 'orc-tasks-bar' }, find, this._count);
    this._chosen = new ChosenTask(_options);
    this.node.append(bar, this._empty, this._scroll, this._chosen.node);
    this._rows = new VirtualRows(this._scroll, this._body, ROW_HEIGHT, (index, row) =>
      this._drawRow(index, row)
    );
    this._resized?.observe(this._scroll);
  }

  readonly node = html('div', { class: 'orc-tasks' });

  /** Show newer records. */
  update(tasks: readonly ITaskView[], live: boolean): void {
    this._tasks = tasks;
    this._live = live;
    // a line that was there once stays: cards of a live run do not move with each message
    this._hasWorkers ||= tasks.some(task => Boolean(task.worker));
    this._hasMessages ||= tasks.some(task => this._message(task) !== '');
    this._setRowHeight();
    this._draw();
    this._followTime();
  }

  dispose(): void {
    this._unfollow?.();
    this._resized?.disconnect();
    this._rows.dispose();
    this._chosen.dispose();
    this.node.remove();
  }

  private _onResize(): void {
    const width = this._scroll.clientWidth;
    if (width > 0) {
      this._hasCards = width < CARDS_BELOW;
      setAttributes(this._scroll, { 'data-cards': String(this._hasCards) });
      this._setRowHeight();
    }
  }

  private _setRowHeight(): void {
    const lines = Number(this._hasWorkers) + Number(this._hasMessages);
    const height = CARD_HEIGHT + lines * CARD_LINE;
    this._scroll.style.setProperty('--orc-card-height', `${height}px`);
    this._rows.setRowHeight(this._hasCards ? height : ROW_HEIGHT);
  }

  private _draw(): void {
    const { texts } = this._options;
    const wanted = this._find.value.trim().toLowerCase();
    this._numbers = new Map(this._tasks.map((task, at) => [task.task_run_id, at + 1]));
    const found = this._tasks.filter(
      task => wanted === '' || `${task.name} ${task.message}`.toLowerCase().includes(wanted)
    );
    this._shownTasks = this._sorted(found);
    setAttributes(this._table, { 'aria-rowcount': found.length + 1 });
    const counted = texts._n('%2 of %1 task', '%2 of %1 tasks', this._tasks.length, found.length);
    showText(this._count, wanted === '' ? '' : counted);
    showText(this._empty, this._tasks.length === 0 ? noTasksWords(this._live, texts) : '');
    this._scroll.hidden = this._tasks.length === 0;
    for (const [column, cell] of this._heads) {
      setAttributes(cell, { 'aria-sort': this._sort[0] === column ? this._sort[1] : 'none' });
    }
    this._rows.update(this._shownTasks.map(task => task.task_run_id));
    this._showChosen();
  }

  private _sorted(tasks: readonly ITaskView[]): readonly ITaskView[] {
    const [column, direction] = this._sort;
    if (column === 'order') {
      return direction === 'ascending' ? tasks : [...tasks].reverse();
    }
    const sign = direction === 'ascending' ? 1 : -1;
    const keyed = tasks.map((task): [string | number | null, ITaskView] => [
      this._key(task, column),
      task
    ]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) {
        return a === b ? 0 : a === null ? 1 : -1; // what lacks it comes last either way
      }
      return a < b ? -sign : a > b ? sign : 0;
    });
    return keyed.map(([, task]) => task);
  }

  private _key(task: ITaskView, column: Column): string | number | null {
    const { clock, texts } = this._options;
    switch (column) {
      case 'name':
        return task.name.toLowerCase();
      case 'state':
        return stateWord(task.state, true, texts);
      case 'started':
        return task.started_at === null ? null : Date.parse(task.started_at);
      case 'time':
        return secondsRun(task, clock.now());
      case 'attempt':
        return task.attempt;
      case 'worker':
        return task.worker;
      default:
        return this._message(task) || null;
    }
  }

  private _message(task: ITaskView): string {
    return isFailure(task.state) ? errorWords(task) : task.message;
  }

  private _sortBy(column: Column): void {
    const [sorted, direction] = this._sort;
    const turns = sorted === column && direction === 'ascending';
    this._sort = [column, turns ? 'descending' : 'ascending'];
    this._draw();
  }

  private _drawRow(index: number, known: HTMLElement | null): HTMLElement {
    const { texts, clock, locale } = this._options;
    const task = this._shownTasks[index];
    const row = known ?? this._makeRow(task);
    const look = stateLook(task.state);
    setAttributes(row, {
      'aria-rowindex': index + 2,
      'data-state': task.state,
      'data-tone': look.tone,
      'data-orchestra-task': task.name,
      class: `orc-tasks-row${task.task_run_id === this._choice ? ' orc-marked' : ''}`
    });
    const [order, name, state, ...others] = row.children;
    order.textContent = String(this._numbers.get(task.task_run_id) ?? '');
    const word = stateWord(task.state, this._live, texts);
    const shown = state.firstElementChild;
    if (shown !== null && shown.getAttribute('data-word') !== word) {
      shown.replaceChildren(stateIcon(look.icon), html('span', { class: 'orc-word' }, word));
      setAttributes(shown, { 'data-word': word, 'data-tone': look.tone });
    }
    const nameButton = name.firstElementChild;
    if (nameButton !== null) {
      setAttributes(nameButton, { 'aria-pressed': String(task.task_run_id === this._choice) });
    }
    const started =
      task.started_at === null
        ? ''
        : new Date(task.started_at).toLocaleTimeString(locale, { hourCycle: 'h23' });
    const moment = task.started_at === null ? '' : formatMoment(task.started_at, locale);
    const values: [string, string?][] = [
      [started, moment],
      [timeWords(task, this._live, clock.now(), texts)],
      [attemptCount(task, texts)],
      [task.worker ?? ''],
      [this._message(task)]
    ];
    values.forEach(([value, title = value], at) => {
      const cell = others[at];
      if (cell.textContent !== value) {
        cell.textContent = value;
        setAttributes(cell, { title: title || null });
      }
    });
    return row;
  }

  private _makeRow(task: ITaskView): HTMLElement {
    const id = task.task_run_id;
    const name = button(task.name, task.name, () => this._choose(id));
    const { texts } = this._options;
    // a time of the day says by itself what it is
    const labels = [null, texts.__('Time'), texts.__('Attempt'), texts.__('Worker')];
    const cells = labels.map(label => html('span', { role: 'cell', 'data-label': label }));
    return html(
      'div',
      { class: 'orc-tasks-row', role: 'row' },
      html('span', { role: 'cell' }),
      html('span', { role: 'rowheader' }, name),
      html('span', { role: 'cell' }, html('span', { class: 'orc-state' })),
      ...cells,
      html('span', { role: 'cell' })
    );
  }

  private _choose(id: string): void {
    this._choice = this._choice === id ? null : id;
    this._draw();
  }

  private _showChosen(): void {
    this._chosen.show(
      this._tasks.find(one => one.task_run_id === this._choice),
      this._live
    );
  }

  private _followTime(): void {
    const moves = this._live && this._tasks.some(task => isLive(task.state));
    if (moves && this._unfollow === null) {
      this._unfollow = this._options.clock.follow(() => this._draw());
    } else if (!moves && this._unfollow !== null) {
      this._unfollow();
      this._unfollow = null;
    }
  }

  private _tasks: readonly ITaskView[] = [];
  private _shownTasks: readonly ITaskView[] = [];
  private _numbers: ReadonlyMap<string, number> = new Map();
  private _live = false;
  private _hasCards = false;
  private _hasWorkers = false;
  private _hasMessages = false;
  private _sort: Sort = ['order', 'ascending'];
  private _choice: string | null = null;
  private _unfollow: (() => void) | null = null;
  private readonly _heads = new Map<Column, HTMLElement>();
  private readonly _table: HTMLElement;
  private readonly _rows: VirtualRows;
  private readonly _find = html('input');
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
  private readonly _count = html('span', { class: 'orc-detail', role: 'status' });
  private readonly _scroll = html('div', { class: 'orc-tasks-scroll' });
  private readonly _body = html('div', { class: 'orc-tasks-body' });
  private readonly _chosen: ChosenTask;
  private readonly _resized =
    typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this._onResize());
}

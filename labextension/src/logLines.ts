/** The log lines of runs: they follow, are found by words, task and level, and are shown as text. */

import { formatMoment } from './drawing/durations';
import { html, setAttributes, showText } from './drawing/elements';
import type { ITexts } from './drawing/translation';
import { errorText } from './errorText';
import type { ILogSource } from './logSource';
import type { ILogLine } from './schemas';

/** Older lines are dropped from the view, so that a long log does not make the page slow. */
const SHOWN_LINES = 5000;

/** More tasks than this are not offered in the list: nobody looks through them. */
const OFFERED_TASKS = 500;

/** Distance in pixels from the end within which the reader is taken to be at it. */
const AT_END = 24;

// Colours and movements of a terminal (ECMA-48 control sequences).
// eslint-disable-next-line no-control-regex -- the escape character is what is looked for
const TERMINAL_CODES = /\u001b\[[0-?]*[ -/]*[@-~]/g;

/** What the lines need. */
export interface ILogLinesOptions {
  readonly source: ILogSource;
  readonly texts: ITexts;
  readonly locale?: string;
}

/** Shows the lines of a run as they come. */
export class LogLines {
  constructor(options: ILogLinesOptions) {
    this._options = options;
    const { texts } = options;
    const label = (text: string, field: HTMLElement): HTMLElement =>
      html('label', { class: 'orc-field' }, html('span', {}, text), field);
    this._level.append(
      html('option', { value: 0 }, texts.__('All levels')),
      html('option', { value: 20 }, texts.__('Info and above')),
      html('option', { value: 30 }, texts.__('Warnings and above')),
      html('option', { value: 40 }, texts.__('Errors'))
    );
    this._task.append(html('option', { value: '' }, texts.__('All tasks')));
    this._follow.checked = true;
    setAttributes(this._search, { type: 'search', spellcheck: 'false', autocomplete: 'off' });
    const bar = html(
      'div',
      { class: 'orc-logs-bar' },
      label(texts.__('Search'), this._search),
      label(texts.__('Task'), this._task),
      label(texts.__('Level'), this._level),
      html('label', { class: 'orc-field' }, this._follow, html('span', {}, texts.__('Follow'))),
      this._found
    );
    setAttributes(this._lines, { 'aria-label': texts.__('Log lines') });
    showText(this._found, '');
    this.node.append(bar, this._notice, this._lines);
    this._search.addEventListener('input', () => this._filter());
    this._task.addEventListener('change', () => this._filter());
    this._level.addEventListener('change', () => this._filter());
    this._follow.addEventListener('change', () => this._scrollToEnd());
    this._lines.addEventListener('scroll', () => this._onScroll());
    this._unfollow = options.source.follow(
      () => this.refresh(),
      () => this._nameTasks()
    );
    void this._pull();
  }

  readonly node = html('div', { class: 'orc-logs' });

  /** Show only the lines of one task; null shows all. */
  showTask(taskRunId: string | null): void {
    this._wantedTask = taskRunId ?? '';
    this._nameTasks();
  }

  /** Give the focus to the lines. */
  focus(): void {
    this._lines.focus();
  }

  /** Read what is new; the stream asks for it otherwise. */
  refresh(): void {
    void this._pull();
  }

  dispose(): void {
    this._isDisposed = true;
    this._unfollow();
    this.node.remove();
  }

  /** Read what is new. Calls while a read is under way lead to one more read after it. */
  private async _pull(): Promise<void> {
    this._isStale = true;
    if (this._isPulling) {
      return;
    }
    this._isPulling = true;
    try {
      while (this._isStale && !this._isDisposed) {
        this._isStale = false;
        const page = await this._options.source.read();
        this._isStale = this._isStale || page.isMore;
        this._nameTasks();
        this._add(page.lines);
        this._say(
          this._lines.childElementCount === 0 ? this._options.texts.__('No log lines yet.') : ''
        );
      }
    } catch (error) {
      this._say(errorText(error, this._options.texts));
    } finally {
      this._isPulling = false;
    }
  }

  private _add(lines: readonly ILogLine[]): void {
    this._lines.append(...lines.map(line => this._makeLine(line)));
    while (this._lines.childElementCount > SHOWN_LINES) {
      this._lines.firstElementChild?.remove();
      this._isCut = true;
    }
    this._tellFound();
    this._scrollToEnd();
  }

  private _makeLine(line: ILogLine): HTMLElement {
    const { texts, locale } = this._options;
    const time = html('time', { class: 'orc-log-time' });
    if (line.at !== null && Number.isFinite(Date.parse(line.at))) {
      time.textContent = new Date(line.at).toLocaleTimeString(locale, { hourCycle: 'h23' });
      setAttributes(time, { datetime: line.at, title: formatMoment(line.at, locale) });
    }
    const task = this._taskName(line.task_run_id);
    const node = html(
      'div',
      {
        class: 'orc-log-line',
        'data-level': line.level,
        'data-tone': line.level >= 40 ? 'failed' : line.level >= 30 ? 'waiting' : null,
        'data-task-id': line.task_run_id
      },
      time,
      html('span', { class: 'orc-log-level' }, levelWord(line.level, texts)),
      html('span', { class: 'orc-log-task', title: line.logger || null }, task),
      html('span', { class: 'orc-log-text' }, line.message.replace(TERMINAL_CODES, ''))
    );
    node.hidden = !this._isWanted(node);
    return node;
  }

  private _taskName(taskRunId: string | null): string {
    return taskRunId === null ? '' : (this._names.get(taskRunId) ?? '');
  }

  private _nameTasks(): void {
    const names = new Map(
      this._options.source
        .tasks()
        .filter(task => !this._names.has(task.task_run_id))
        .map(task => [task.task_run_id, task.name])
    );
    for (const node of names.size === 0 ? [] : this._lines.children) {
      const name = names.get(node.getAttribute('data-task-id') ?? '');
      const shown = node.querySelector('.orc-log-task');
      if (name !== undefined && shown !== null) {
        shown.textContent = name;
      }
    }
    for (const [id, name] of names) {
      this._names.set(id, name);
      if (this._task.options.length <= OFFERED_TASKS || id === this._wantedTask) {
        this._task.append(html('option', { value: id }, name));
      }
    }
    const wanted = this._wantedTask;
    if (wanted !== null && [...this._task.options].some(option => option.value === wanted)) {
      this._task.value = wanted;
      this._wantedTask = null;
      this._filter();
    }
  }

  private _filter(): void {
    for (const node of this._lines.children) {
      (node as HTMLElement).hidden = !this._isWanted(node);
    }
    this._tellFound();
    this._scrollToEnd();
  }

  private _tellFound(): void {
    const isSearch = this._search.value.trim() !== '';
    const found = isSearch ? this._lines.querySelectorAll('.orc-log-line:not([hidden])').length : 0;
    const words = this._options.texts._n('%1 line', '%1 lines', found);
    showText(this._found, isSearch ? words : '');
  }

  private _isWanted(node: Element): boolean {
    const task = this._task.value;
    const words = this._search.value.trim().toLowerCase();
    const text = node.lastElementChild?.textContent ?? '';
    const level = Number(node.getAttribute('data-level'));
    return (
      level >= Number(this._level.value) &&
      (task === '' || node.getAttribute('data-task-id') === task) &&
      (words === '' || text.toLowerCase().includes(words))
    );
  }

  private _onScroll(): void {
    const { scrollTop, scrollHeight, clientHeight } = this._lines;
    this._follow.checked = scrollHeight - scrollTop - clientHeight < AT_END;
  }

  private _scrollToEnd(): void {
    if (this._follow.checked) {
      this._lines.scrollTop = this._lines.scrollHeight;
    }
  }

  private _say(text: string): void {
    const cut = this._isCut
      ? this._options.texts.__('Only the last %1 lines are shown.', SHOWN_LINES)
      : '';
    this._notice.textContent = text || cut;
    this._notice.hidden = this._notice.textContent === '';
  }

  private readonly _options: ILogLinesOptions;
  private readonly _unfollow: () => void;
  private _isDisposed = false;
  private _isPulling = false;
  private _isStale = false;
  private _isCut = false;
  /** The task to show as soon as its name is known; empty for all, null when nothing is asked for. */
  private _wantedTask: string | null = null;
  /** Task run id to the name that its lines show. */
  private readonly _names = new Map<string, string>();
  private readonly _search = html('input');
  private readonly _found = html('span', { class: 'orc-detail', role: 'status' });
  private readonly _task = html('select');
  private readonly _level = html('select');
  private readonly _follow = html('input', { type: 'checkbox' });
  private readonly _notice = html('p', { class: 'orc-notice', hidden: true });
  private readonly _lines = html('div', {
    class: 'orc-log',
    role: 'log',
    // a run may write many lines a second: they are read, not read out
    'aria-live': 'off',
    tabindex: 0
  });
}

function levelWord(level: number, texts: ITexts): string {
  if (level >= 50) {
    return texts.__('Critical');
  }
  if (level >= 40) {
    return texts.__('Error');
  }
  if (level >= 30) {
    return texts.__('Warning');
  }
  return level >= 20 ? texts.__('Info') : texts.__('Debug');
}

/** The executed notebook of a run, live, beside its cells and tasks: a click there leads to the cell. */

import { html, setAttributes, showText } from '../../drawing/elements';
import type { IRun, ITaskView } from '../../schemas';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import { ExecutedCells } from './executedCells';
import type { IExecutedNotebook } from './executedNotebook';
import { NotebookOutline } from './notebookOutline';
import { askToResume, canResume } from './resumption';
import type { RunRecords } from './runRecords';
import type { IRunView } from './runView';

/** So many seconds pass at least between two looks at the file of a run that goes on. */
const LOOK_SECONDS = 2;
/** So many times as long as a look took passes before the next, so that a large file is not read all the time. */
const REST_PER_LOOK = 4;

/** Shows the executed notebook, links to the files, and a choice of attempts where there were several. */
export class NotebookView implements IRunView {
  constructor(
    private readonly _context: IPageContext,
    private readonly _runId: string
  ) {
    const { texts } = _context;
    this._cells = new ExecutedCells(_context, cellId => {
      if (this._records !== null) {
        void askToResume(_context, this._records, { cell: cellId });
      }
    });
    this._outline = new NotebookOutline(_context, cellId => this.showCell(cellId));
    this._attempt = html('select', {});
    this._attemptField = html(
      'label',
      { class: 'orc-field', hidden: true },
      html('span', {}, texts.__('Attempt')),
      this._attempt
    );
    this._attempt.addEventListener('change', () => this.showAttempt(Number(this._attempt.value)));
    showText(this._notice, texts.__('Reading the notebook…'));
    this.node.append(
      html('div', { class: 'orc-nb-bar' }, this._files, this._attemptField),
      this._notice,
      this._problem,
      html('div', { class: 'orc-nb-split' }, this._outline.node, this._cells.node)
    );
    this._cells.node.hidden = true;
  }

  readonly node = html('div', { class: 'orc-notebook-view' });

  update(records: RunRecords): void {
    const { run } = records;
    this._records = records;
    if (run === null) {
      return;
    }
    this._showFiles(run);
    this._outline.update(records);
    this._draw();
    const states = JSON.stringify([run.epoch, run.state, records.cells.map(cell => cell.state)]);
    if (states !== this._states) {
      this._states = states;
      if (!this._isResting()) {
        void this._read();
      }
    }
    if (records.isLive) {
      this._unfollow ??= this._context.clock.follow(() => this._look());
    } else {
      this._unfollow?.();
      this._unfollow = null;
    }
  }

  /** Bring a cell into sight: at once, or when the notebook has been read. */
  showCell(cellId: string): void {
    this._outline.mark(cellId);
    this._wanted = this._cells.show(cellId) ? null : cellId;
  }

  /** Show what an attempt executed. */
  showAttempt(attempt: number): void {
    this._chosen = attempt;
    this._notebook = null;
    void this._read();
  }

  dispose(): void {
    this._isDisposed = true;
    this._unfollow?.();
    this.node.remove();
  }

  private _showFiles(run: IRun): void {
    const shown = JSON.stringify([run.notebook_path, run.output_path]);
    if (shown === this._shown) {
      return;
    }
    this._shown = shown;
    const { texts } = this._context;
    const files: [string, string | null][] = [
      [texts.__('Executed notebook'), run.output_path],
      [texts.__('Notebook'), run.notebook_path]
    ];
    const known = files.filter((file): file is [string, string] => file[1] !== null);
    this._files.replaceChildren(...known.map(([label, file]) => this._file(label, file)));
  }

  private _file(label: string, file: string): HTMLElement {
    const { texts } = this._context;
    const link = notebookLink(this._context, file, label, null);
    const item = html('li', {}, link, ' ', html('code', {}, file));
    const openBeside = this._context.notebook(file, null)?.openBeside ?? null;
    if (openBeside !== null) {
      const beside = html('button', { type: 'button', class: 'orc-link' }, texts.__('Open beside'));
      setAttributes(beside, { 'aria-label': texts.__('Open %1 beside this page', label) });
      beside.addEventListener('click', openBeside);
      item.append(' ', beside);
    }
    return item;
  }

  /** Look whether the file has changed, while it is in sight. */
  private _look(): void {
    this._seconds += 1;
    const isDue = this._seconds >= this._rest && !this._isReading;
    if (isDue && this.node.closest('[hidden], .lm-mod-hidden') === null) {
      void this._read();
    }
  }

  /** Whether a look took long, and the next one that is due is soon enough. */
  private _isResting(): boolean {
    const isLong = this._rest > LOOK_SECONDS && this._seconds < this._rest;
    return isLong && this._notebook !== null && this._records?.isLive === true;
  }

  private async _read(): Promise<void> {
    if (this._isReading) {
      this._isStale = true;
      return;
    }
    this._isReading = true;
    this._isStale = false;
    const { pagesApi, texts } = this._context;
    const chosen = this._chosen;
    const begun = performance.now();
    try {
      const known = this._notebook?.version ?? null;
      const read = await pagesApi.readExecutedNotebook(this._runId, chosen, known);
      if (chosen === this._chosen) {
        this._take(read);
      }
    } catch (error) {
      showText(this._notice, '');
      showText(this._problem, errorText(error, texts));
    }
    this._isReading = false;
    this._seconds = 0;
    this._rest = Math.max(LOOK_SECONDS, (REST_PER_LOOK * (performance.now() - begun)) / 1000);
    if (this._isStale && !this._isDisposed && !this._isResting()) {
      void this._read();
    }
  }

  private _take(read: IExecutedNotebook): void {
    if (this._isDisposed) {
      return;
    }
    const isFirst = this._notebook === null;
    this._notebook = { ...read, cells: read.cells ?? this._notebook?.cells ?? null };
    showText(this._notice, '');
    showText(this._problem, '');
    this._showAttempts(read);
    this._draw();
    const failed = this._records?.failure?.cell_id ?? null;
    if (this._wanted !== null) {
      this.showCell(this._wanted);
    } else if (isFirst && failed !== null) {
      this._scrollWithin(failed);
    }
  }

  private _showAttempts({ attempt, attempts }: IExecutedNotebook): void {
    this._attemptField.hidden = attempts.length < 2;
    if (this._attempt.childElementCount !== attempts.length) {
      const options = attempts.map(each => html('option', { value: each }, String(each)));
      this._attempt.replaceChildren(...options);
    }
    this._attempt.value = String(attempt);
  }

  private _draw(): void {
    const cells = this._notebook?.cells ?? null;
    this._cells.node.hidden = cells === null;
    if (cells === null || this._records === null) {
      return;
    }
    const isNewest = this._notebook?.attempt === this._records.run?.epoch;
    const records = isNewest ? indexed(this._records.cells) : new Map();
    this._cells.update(cells, records, canResume(this._records.run));
  }

  /** Show a cell where the notebook scrolls by itself: the page stays where it is. */
  private _scrollWithin(cellId: string): void {
    const { node } = this._cells;
    if (getComputedStyle(node).overflowY === 'auto') {
      const page = node.closest('.orc-page-widget') ?? document.scrollingElement;
      const top = page?.scrollTop ?? 0;
      this.showCell(cellId);
      page?.scrollTo({ top });
    }
  }

  private _records: RunRecords | null = null;
  private _notebook: IExecutedNotebook | null = null;
  /** The attempt that the reader chose; null for the newest. */
  private _chosen: number | null = null;
  /** The cell that is to be shown once it is there. */
  private _wanted: string | null = null;
  private _shown = '';
  private _states = '';
  /** Seconds since the last look ended, and how many are to pass. */
  private _seconds = 0;
  private _rest = LOOK_SECONDS;
  private _isReading = false;
  private _isStale = false;
  private _isDisposed = false;
  private _unfollow: (() => void) | null = null;
  private readonly _files = html('ul', { class: 'orc-files' });
  private readonly _attempt: HTMLSelectElement;
  private readonly _attemptField: HTMLElement;
  private readonly _notice = html('p', { class: 'orc-empty', role: 'status' });
  private readonly _problem = html('p', {
    class: 'orc-empty orc-nb-problem',
    role: 'status',
    hidden: true
  });
  private readonly _outline: NotebookOutline;
  private readonly _cells: ExecutedCells;
}

/** Give the cells by their place among the code cells. */
function indexed(cells: readonly ITaskView[]): ReadonlyMap<number, ITaskView> {
  return new Map(cells.map(cell => [Number(cell.task_run_id.split('-').at(-1)), cell]));
}

/** Make what opens a notebook at a cell; only its label where it cannot be opened from here. */
export function notebookLink(
  context: IPageContext,
  file: string,
  label: string,
  cellId: string | null
): HTMLElement {
  const place = context.notebook(file, cellId);
  if (place === null) {
    return html('span', {}, label);
  }
  const { href, open } = place;
  if (open === null) {
    return html('a', { href }, label);
  }
  const link = html('button', { type: 'button', class: 'orc-link' }, label);
  setAttributes(link, { title: context.texts.__('Open %1', file) });
  link.addEventListener('click', open);
  return link;
}

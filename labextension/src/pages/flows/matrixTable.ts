/** What became of each task of a flow in its last runs: a table of squares, told by shape, colour and word. */

import { formatDuration } from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { stateLook } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { cellName } from './comparison';
import type { IFlowDetails, IFlowRun, IMatrixCell, IMatrixRow } from './flowSchemas';
import { runWords } from './flowWords';

/** Draws the table. */
export class MatrixTable {
  constructor(private readonly _context: IPageContext) {
    const { texts } = _context;
    const label = texts.__('Tasks by runs, the newest run last');
    setAttributes(this._scroll, { role: 'region', 'aria-label': label, tabindex: 0 });
    this._scroll.append(html('table', { class: 'orc-matrix' }, this._head, this._body));
    this.node.append(this._empty, this._scroll, this._cut);
  }

  readonly node = html('div', { class: 'orc-matrix-view' });

  /** Show newer records. */
  update(details: IFlowDetails): void {
    const said = JSON.stringify([details.runs, details.tasks]);
    if (said === this._said) {
      return;
    }
    const isFirst = this._said === '';
    this._said = said;
    const { texts } = this._context;
    const { runs, tasks } = details;
    const none = texts.__('These runs had no tasks and no cells.');
    showText(this._empty, tasks.length === 0 ? none : '');
    this._scroll.hidden = tasks.length === 0;
    const cut = texts.__('Only the first %1 tasks are shown.', tasks.length);
    showText(this._cut, details.is_cut ? cut : '');
    const focused = document.activeElement?.getAttribute('data-run') ?? null;
    const hadFocus = this._head.contains(document.activeElement);
    this._head.replaceChildren(this._headRow(runs));
    this._body.replaceChildren(...tasks.map(row => this._row(row, runs)));
    if (hadFocus && focused !== null) {
      this._head.querySelector<HTMLElement>(`[data-run="${focused}"]`)?.focus();
    }
    if (isFirst) {
      requestAnimationFrame(() => {
        this._scroll.scrollLeft = this._scroll.scrollWidth;
      });
    }
  }

  private _headRow(runs: readonly IFlowRun[]): HTMLElement {
    const { texts, clock, locale } = this._context;
    const links = [...runs].reverse().map(run => {
      const look = stateLook(run.state);
      const words = runWords(run, clock.now(), texts, locale);
      const link = html('a', {
        class: 'orc-matrix-run',
        'data-run': run.run_id,
        'data-tone': look.tone,
        'aria-label': words,
        title: words
      });
      link.append(stateIcon(look.icon));
      return html('th', { scope: 'col' }, pageLink(link, this._context, ['runs', run.run_id]));
    });
    return html(
      'tr',
      {},
      html('th', { scope: 'col' }, texts.__('Task')),
      html('th', { scope: 'col', class: 'orc-matrix-median' }, texts.__('Median')),
      ...links
    );
  }

  private _row({ name, cell_number, cells }: IMatrixRow, runs: readonly IFlowRun[]): HTMLElement {
    const { texts } = this._context;
    const label = cell_number === null ? name : cellName(name, cell_number, texts);
    const median = medianSeconds(cells);
    const row = html('tr', { 'data-task': label });
    row.append(
      html('th', { scope: 'row', title: label }, label),
      html('td', { class: 'orc-matrix-median' }, median === null ? '' : formatDuration(median))
    );
    for (let at = runs.length - 1; at >= 0; at--) {
      row.append(this._cell(cells[at] ?? null, `${label} · ${runs[at].name}`));
    }
    return row;
  }

  private _cell(cell: IMatrixCell | null, of: string): HTMLElement {
    const { texts } = this._context;
    if (cell === null) {
      const words = html('span', { class: 'orc-sr-only' }, texts.__('not in this run'));
      return html('td', { class: 'orc-matrix-none' }, words);
    }
    const look = stateLook(cell.state);
    const words = cellWords(cell, texts);
    const square = html('span', {
      class: 'orc-outcome',
      'data-state': cell.state,
      'data-tone': look.tone,
      title: texts.__('%1: %2', of, words)
    });
    square.append(stateIcon(look.icon), html('span', { class: 'orc-sr-only' }, words));
    return html('td', {}, square);
  }

  private _said = '';
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
  private readonly _cut = html('p', { class: 'orc-detail', hidden: true });
  private readonly _scroll = html('div', { class: 'orc-matrix-scroll' });
  private readonly _head = html('thead');
  private readonly _body = html('tbody');
}

/** Say what became of a task in a run: "Failed, 2 of 40 failed, 00:12". */
export function cellWords({ state, count, failed, seconds }: IMatrixCell, texts: ITexts): string {
  const counted =
    count === 1
      ? ''
      : failed > 0
        ? texts.__('%1 of %2 failed', failed, count)
        : texts.__('%1 runs', count);
  const took = seconds === null ? '' : formatDuration(seconds);
  return [stateLook(state).word(texts), counted, took].filter(Boolean).join(', ');
}

/** Give the median seconds of what was computed and ended well; null where nothing was. */
export function medianSeconds(cells: readonly (IMatrixCell | null)[]): number | null {
  const seconds = cells
    .flatMap(cell => (cell?.state === 'COMPLETED' ? (cell.seconds ?? []) : []))
    .sort((a, b) => a - b);
  return seconds.length === 0 ? null : seconds[Math.floor((seconds.length - 1) / 2)];
}

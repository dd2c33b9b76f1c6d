/** The last runs of a flow as a table, in which two can be chosen to be compared. */

import {
  formatAgo,
  formatDuration,
  formatElapsed,
  formatMoment,
  secondsRun
} from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { isLive, stateLook } from '../../drawing/states';
import { namesakes } from '../namesakes';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import type { IFlowRun } from './flowSchemas';

interface IRow {
  readonly row: HTMLTableRowElement;
  readonly box: HTMLInputElement;
  readonly state: HTMLElement;
  readonly when: HTMLElement;
  readonly took: HTMLElement;
  readonly message: HTMLElement;
  readonly notebook: HTMLElement;
  run: IFlowRun;
}

/** Draws the table; rows stay while their run is there. */
export class HistoryTable {
  /** @param onCompare - called with the ids of two runs, the older first */
  constructor(
    private readonly _context: IPageContext,
    private readonly _onCompare: (older: string, newer: string) => void
  ) {
    const { texts } = _context;
    const titles = [
      texts.__('State'),
      texts.__('Run'),
      texts.__('Started'),
      texts.__('Duration'),
      texts.__('Message')
    ];
    const head = html(
      'tr',
      {},
      html('th', { scope: 'col' }, html('span', { class: 'orc-sr-only' }, texts.__('Compare'))),
      ...titles.map(title => html('th', { scope: 'col' }, title))
    );
    const scroll = html('div', { class: 'orc-table orc-history-table' });
    scroll.append(html('table', {}, html('thead', {}, head), this._body));
    const label = texts.__('The last runs, the newest first');
    setAttributes(scroll, { role: 'region', 'aria-label': label, tabindex: 0 });
    this._compare.textContent = texts.__('Compare');
    this._compare.addEventListener('click', () => this._onClick());
    this.node.append(html('div', { class: 'orc-tasks-bar' }, this._compare, this._advice), scroll);
    this._showChoice();
  }

  readonly node = html('div', { class: 'orc-history-list' });

  /** Show newer records; the runs come the newest first. */
  update(runs: readonly IFlowRun[]): void {
    const ids = new Set(runs.map(run => run.run_id));
    for (const [id, { row }] of this._rows) {
      if (!ids.has(id)) {
        row.remove();
        this._rows.delete(id);
      }
    }
    runs.forEach((run, at) => {
      const known = this._rows.get(run.run_id) ?? this._makeRow(run);
      known.run = run;
      if (this._body.children[at] !== known.row) {
        this._body.insertBefore(known.row, this._body.children[at] ?? null);
      }
      this._showRow(known);
    });
    const short = namesakes(runs.map(run => ({ ...run, flow_name: '' })));
    for (const { run, notebook } of this._rows.values()) {
      showText(notebook, short.get(run.run_id) ?? '', run.notebook_path);
    }
    this._chosen = this._chosen.filter(id => ids.has(id));
    this._showChoice();
  }

  /** Show the durations of what still runs; called as time goes by. */
  showTimes(): void {
    this._rows.forEach(row => this._showTime(row));
  }

  private _makeRow(run: IFlowRun): IRow {
    const { texts, locale } = this._context;
    const label = texts.__('Compare run %1', run.name);
    const box = html('input', { type: 'checkbox', 'aria-label': label, title: label });
    box.addEventListener('change', () => this._onChoice(run.run_id, box.checked));
    const at = run.started_at ?? run.created_at;
    const title = at === null ? null : formatMoment(at, locale);
    const link = pageLink(html('a', {}, run.name), this._context, ['runs', run.run_id]);
    const made: IRow = {
      row: html('tr', { 'data-run': run.run_id }),
      box,
      state: html('span', { class: 'orc-state' }),
      when: html('time', { datetime: at, title }),
      took: html('td'),
      message: html('td'),
      notebook: html('span', { class: 'orc-detail', hidden: true }),
      run
    };
    made.row.append(
      html('td', {}, box),
      html('td', {}, made.state),
      html('th', { scope: 'row' }, link, ' ', made.notebook),
      html('td', {}, made.when),
      made.took,
      made.message
    );
    this._rows.set(run.run_id, made);
    return made;
  }

  private _showRow(row: IRow): void {
    const { run, state, message } = row;
    const look = stateLook(run.state);
    if (state.getAttribute('data-state') !== run.state) {
      const word = html('span', { class: 'orc-word' }, look.word(this._context.texts));
      state.replaceChildren(stateIcon(look.icon), word);
      setAttributes(state, { 'data-state': run.state, 'data-tone': look.tone });
    }
    const said = run.message.trim().split('\n', 1)[0];
    if (message.textContent !== said) {
      message.textContent = said;
      setAttributes(message, { title: run.message || null });
    }
    this._showTime(row);
  }

  private _showTime({ run, took, when }: IRow): void {
    const { texts, clock, locale } = this._context;
    const seconds = secondsRun(run, clock.now());
    const format = isLive(run.state) ? formatElapsed : formatDuration;
    const words = seconds === null ? '' : format(seconds);
    if (took.textContent !== words) {
      took.textContent = words;
    }
    const at = run.started_at ?? run.created_at;
    showText(when, at === null ? '' : formatAgo(at, clock.now(), texts, locale), when.title);
  }

  /** Of three the one that was chosen first is let go. */
  private _onChoice(id: string, isChosen: boolean): void {
    const others = this._chosen.filter(one => one !== id);
    this._chosen = isChosen ? [...others.slice(-1), id] : others;
    this._showChoice();
  }

  private _showChoice(): void {
    const { texts } = this._context;
    for (const [id, { box, row }] of this._rows) {
      box.checked = this._chosen.includes(id);
      row.classList.toggle('orc-marked', box.checked);
    }
    this._compare.disabled = this._chosen.length !== 2;
    const missing = 2 - this._chosen.length;
    showText(
      this._advice,
      missing > 0
        ? texts._n('Choose %1 more run to compare.', 'Choose %1 runs to compare.', missing)
        : ''
    );
  }

  private _onClick(): void {
    const [older, newer] = [...this._chosen].sort();
    if (newer !== undefined) {
      this._onCompare(older, newer);
    }
  }

  /** At most two ids, in the order of the choice. */
  private _chosen: string[] = [];
  private readonly _rows = new Map<string, IRow>();
  private readonly _body = html('tbody');
  private readonly _compare = html('button', { type: 'button', class: 'orc-push' });
  private readonly _advice = html('span', { class: 'orc-detail', role: 'status' });
}

/** How long the last runs of a flow took, as bars with the state below each: arrows lead from run to run. */

import { formatDuration, secondsRun } from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { stateLook } from '../../drawing/states';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import type { IFlow, IFlowRun } from './flowSchemas';
import { runWords } from './flowWords';

/** Draws the chart; the table of runs says the same. */
export class HistoryChart {
  constructor(private readonly _context: IPageContext) {
    const { texts } = _context;
    setAttributes(this._bars, {
      'aria-label': texts.__('Durations of the last runs, the newest last')
    });
    this.node.append(this._axis, this._scroll);
    this._axis.append(this._top, html('span', {}, '0'));
    this._scroll.append(this._bars);
    this._bars.addEventListener('keydown', event => this._onKey(event));
  }

  readonly node = html('div', { class: 'orc-history' });

  /** Show newer records; the runs come the newest first. */
  update(runs: readonly IFlowRun[], flow: IFlow): void {
    const { clock } = this._context;
    const seconds = runs.map(run => secondsRun(run, clock.now()));
    const longest = chartTop(seconds);
    showText(this._top, formatDuration(longest));
    const median = flow.duration?.p50 ?? null;
    const isInSight = median !== null && median <= longest;
    setAttributes(this._bars, {
      style: isInSight ? `--orc-median-share:${median / longest}` : '',
      'data-median': isInSight
    });
    this._show(runs, seconds, longest);
    this.node.hidden = runs.length === 0;
  }

  private _show(
    runs: readonly IFlowRun[],
    seconds: readonly (number | null)[],
    longest: number
  ): void {
    const focused = document.activeElement?.getAttribute('data-run') ?? null;
    const hadFocus = focused !== null && this._bars.contains(document.activeElement);
    const wasAtEnd =
      this._scroll.scrollLeft + this._scroll.clientWidth >= this._scroll.scrollWidth - 2;
    const columns = runs.map((run, at) => this._column(run, seconds[at], longest)).reverse();
    this._bars.replaceChildren(...columns);
    const entry =
      columns.find(({ dataset }) => dataset.run === (hadFocus ? focused : this._entry)) ??
      columns[columns.length - 1];
    if (entry !== undefined) {
      entry.tabIndex = 0;
      if (hadFocus) {
        entry.focus({ preventScroll: true });
      }
    }
    if (wasAtEnd || this._isFirst) {
      this._isFirst = false;
      requestAnimationFrame(() => {
        this._scroll.scrollLeft = this._scroll.scrollWidth;
      });
    }
  }

  private _column(run: IFlowRun, seconds: number | null, longest: number): HTMLAnchorElement {
    const { texts, clock, locale } = this._context;
    const look = stateLook(run.state);
    const words = runWords(run, clock.now(), texts, locale);
    const bar = html('span', {
      class: 'orc-history-bar',
      style: `height:${seconds === null ? 0 : share(seconds, longest)}%`
    });
    const column = html(
      'a',
      {
        class: 'orc-history-run',
        'data-run': run.run_id,
        'data-state': run.state,
        'data-tone': look.tone,
        'aria-label': words,
        title: words,
        tabindex: -1
      },
      html('span', { class: 'orc-history-track' }, bar),
      stateIcon(look.icon)
    );
    return pageLink(column, this._context, ['runs', run.run_id]);
  }

  private _onKey(event: KeyboardEvent): void {
    const columns = [...this._bars.children].filter(
      (node): node is HTMLElement => node instanceof HTMLElement
    );
    const at = columns.findIndex(node => node === document.activeElement);
    const wanted = {
      ArrowRight: columns[at + 1],
      ArrowLeft: columns[at - 1],
      Home: columns[0],
      End: columns[columns.length - 1]
    }[event.key];
    if (at >= 0 && wanted !== undefined) {
      event.preventDefault();
      columns[at].tabIndex = -1;
      wanted.tabIndex = 0;
      wanted.focus();
      this._entry = wanted.dataset.run ?? '';
    }
  }

  /** The id of the run that Tab leads to. */
  private _entry = '';
  private _isFirst = true;
  private readonly _axis = html('div', { class: 'orc-history-axis', 'aria-hidden': 'true' });
  private readonly _top = html('span');
  private readonly _scroll = html('div', { class: 'orc-history-scroll' });
  private readonly _bars = html('div', { class: 'orc-history-bars', role: 'group' });
}

/** Give the duration, in seconds, at the top of the chart: that of the longest run, and never none. */
export function chartTop(seconds: readonly (number | null)[]): number {
  return Math.max(0.1, ...seconds.map(one => one ?? 0));
}

function share(seconds: number, longest: number): number {
  return Math.round((1000 * seconds) / longest) / 10;
}

/** The badge of a code cell: state, how long it ran beside what is usual, and whether that still holds. */

import { Widget } from '@lumino/widgets';
import type { Message } from '@lumino/messaging';

import type { Clock } from '../drawing/clock';
import { html, setAttributes, showText } from '../drawing/elements';
import { stateIcon } from '../drawing/icons';
import { isLive, stateLook } from '../drawing/states';
import type { ITexts } from '../drawing/translation';
import type { ICellRecord } from './cellRecords';
import { cellTime, cellWords } from './cellWords';

/** What badges need from where they are shown. */
export interface IBadgeOptions {
  readonly texts: ITexts;
  readonly clock: Clock;
  /** BCP 47 language tag of times; undefined for the browser's. */
  readonly locale?: string;
  readonly openLogs: (cell: ICellRecord) => void;
}

/** Stands in the cell's box. It draws only what differs, so the focus stays; its clock runs while it is in the page. */
export class CellBadge extends Widget {
  constructor(cell: ICellRecord, options: IBadgeOptions) {
    super();
    this._cell = cell;
    this._options = options;
    this.addClass('orc-cell-badge');
    setAttributes(this.node, {
      role: 'group',
      'aria-label': options.texts.__('Last run of this cell')
    });
    this._button.addEventListener('click', () => options.openLogs(this._cell));
    this._button.append(this._state, this._time, this._error);
    this._stale.append(stateIcon('stale'), this._staleText);
    this.node.append(this._button, this._stale);
    this.showCell(cell);
  }

  /**
   * Show another record.
   *
   * @param hasLine - whether the task's own line stands below the cell: it says all but whether that still holds
   */
  showCell(cell: ICellRecord, hasLine = this._button.hidden): void {
    this._cell = cell;
    this._button.hidden = hasLine;
    const { texts, clock, locale } = this._options;
    const words = cellWords(cell, clock.now(), texts, locale);
    const look = stateLook(cell.state);
    setAttributes(this.node, {
      'data-cell-id': cell.cell_id,
      'data-state': cell.state,
      'data-tone': look.tone,
      'data-stale': String(words.stale !== '')
    });
    if (this._state.firstElementChild?.getAttribute('data-icon') !== look.icon) {
      this._state.replaceChildren(stateIcon(look.icon), this._word);
    }
    showText(this._word, words.word);
    showText(this._time, words.time);
    showText(this._error, words.error, words.error);
    setAttributes(this._button, { title: words.title });
    showText(this._staleText, words.stale);
    this._stale.hidden = words.stale === '';
    this._followTime();
  }

  override dispose(): void {
    this._unfollow?.();
    this._unfollow = null;
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.showCell(this._cell);
  }

  protected override onBeforeDetach(message: Message): void {
    this._unfollow?.();
    this._unfollow = null;
    super.onBeforeDetach(message);
  }

  private _followTime(): void {
    const moves = this.isAttached && isLive(this._cell.state);
    if (moves && this._unfollow === null) {
      const { clock, texts } = this._options;
      this._unfollow = clock.follow(() =>
        showText(this._time, cellTime(this._cell, clock.now(), texts))
      );
    } else if (!moves && this._unfollow !== null) {
      this._unfollow();
      this._unfollow = null;
    }
  }

  private _cell: ICellRecord;
  private readonly _options: IBadgeOptions;
  private _unfollow: (() => void) | null = null;
  private readonly _button = html('button', { type: 'button', class: 'orc-badge-run' });
  private readonly _state = html('span', { class: 'orc-state' });
  private readonly _word = html('span', { class: 'orc-word' });
  private readonly _time = html('span', { class: 'orc-time' });
  private readonly _error = html('span', { class: 'orc-error' });
  private readonly _stale = html('span', { class: 'orc-badge-stale', 'data-tone': 'waiting' });
  private readonly _staleText = html('span', { class: 'orc-badge-reason' });
}

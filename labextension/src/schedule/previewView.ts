/** Shows what a schedule means: a sentence, and the next times by its clocks and by the reader's. */

import { html, showText } from '../drawing/elements';
import type { ITexts } from '../drawing/translation';
import type { ISchedulePreview } from './records';
import { timeRows } from './times';
import type { ITimeRow } from './times';

/** Draws previews, one after the other. */
export class PreviewView {
  /** @param reader - the reader's time zone */
  constructor(
    private readonly _texts: ITexts,
    private readonly _reader: string,
    private readonly _locale?: string
  ) {
    this._words = html('p', { class: 'orc-preview-words', role: 'status' });
    this._problem = html('p', { class: 'orc-form-error', role: 'alert' });
    this._times = html('div', { class: 'orc-preview-times' });
    this.node = html(
      'div',
      { class: 'orc-preview', role: 'group', 'aria-label': _texts.__('What this means') },
      this._words,
      this._problem,
      this._times
    );
    this.clear();
  }

  readonly node: HTMLElement;

  /** Show a preview. */
  show(preview: ISchedulePreview): void {
    const { words } = preview;
    showText(this._words, `${words.slice(0, 1).toUpperCase()}${words.slice(1)}.`);
    showText(this._problem, '');
    const { fireTimes, timezone } = preview;
    const rows = timeRows(fireTimes, timezone, this._reader, this._texts, this._locale);
    this._times.replaceChildren(this._makeTable(rows, timezone));
    this.node.hidden = false;
  }

  /** Show why there is no preview; nothing where that stands at a field. */
  clear(problem = ''): void {
    showText(this._words, '');
    showText(this._problem, problem);
    this._times.replaceChildren();
    this.node.hidden = problem === '';
  }

  private _makeTable(rows: readonly ITimeRow[], zone: string): HTMLElement {
    const hasReader = rows.some(row => row.here !== '');
    const heads = [zone, ...(hasReader ? [this._texts.__('Your time (%1)', this._reader)] : [])];
    return html(
      'table',
      {},
      html('caption', {}, this._texts.__('Next times')),
      html('thead', {}, html('tr', {}, ...heads.map(head => html('th', { scope: 'col' }, head)))),
      html('tbody', {}, ...rows.flatMap(row => this._makeRows(row, hasReader)))
    );
  }

  private _makeRows(row: ITimeRow, hasReader: boolean): HTMLElement[] {
    const times = hasReader ? [row.there, row.here] : [row.there];
    const first = html('tr', {}, ...times.map(time => html('td', {}, time)));
    if (row.notes.length === 0) {
      return [first];
    }
    const note = html('td', { colspan: times.length, class: 'orc-preview-note' });
    note.append(row.notes.join(' · '));
    return [first, html('tr', {}, note)];
  }

  private readonly _words: HTMLElement;
  private readonly _problem: HTMLElement;
  private readonly _times: HTMLElement;
}

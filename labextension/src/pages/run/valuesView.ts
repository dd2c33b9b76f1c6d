/** What a run recorded and returned. */

import { html, showText } from '../../drawing/elements';
import { errorText } from '../dialogs';
import type { ITexts } from '../../drawing/translation';
import type { IRunValue } from '../pagesApi';
import { linkedText, valueText } from './valueText';

/** What the view needs. */
export interface IValuesViewOptions {
  readonly texts: ITexts;
  /** Read the values of a run. */
  readonly readValues: (runId: string) => Promise<readonly IRunValue[]>;
}

/** Shows the values; they are read anew when the run's state changes. */
export class ValuesView {
  constructor(private readonly _options: IValuesViewOptions) {
    this.node.append(this._problem, this._notice, this._list);
  }

  readonly node = html('div', { class: 'orc-values' });

  /**
   * Show the values of a run.
   *
   * @param state - anything that tells when they may have changed
   * @param isInteractive - whether it is of cells that somebody runs one by one: what these record is in the notebook
   */
  update(runId: string | null, state: string, isInteractive: boolean): void {
    this._isInteractive = isInteractive;
    const readOf = `${runId} ${state} ${isInteractive}`;
    if (runId !== null && readOf !== this._readOf) {
      this._readOf = readOf;
      void this._read(runId);
    }
  }

  /** Undo all. */
  dispose(): void {
    this.node.remove();
  }

  private async _read(runId: string): Promise<void> {
    const { readValues, texts } = this._options;
    try {
      const values = await readValues(runId);
      showText(this._problem, '');
      showText(this._notice, values.length === 0 ? this._noneText() : '');
      this._list.replaceChildren(...values.map(value => this._draw(value)));
    } catch (error) {
      showText(this._problem, errorText(error, texts));
    }
  }

  private _noneText(): string {
    const { texts } = this._options;
    return this._isInteractive
      ? texts.__(
          'What cells that are run one by one record and return stands in the notebook, below each. A run of the whole notebook keeps it.'
        )
      : texts.__(
          'This run has recorded and returned nothing. record(name=value) in a notebook keeps a value.'
        );
  }

  private _draw(value: IRunValue): HTMLElement {
    const text =
      value.value === null && value.summary !== '' ? value.summary : valueText(value.value);
    return html(
      'li',
      { 'data-value': value.name },
      html('h2', {}, value.name),
      html('span', { class: 'orc-detail' }, value.type),
      linkedText(text)
    );
  }

  private _readOf = '';
  private _isInteractive = false;
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _notice = html('p', { class: 'orc-empty', hidden: true });
  private readonly _list = html('ul', { class: 'orc-value-list' });
}

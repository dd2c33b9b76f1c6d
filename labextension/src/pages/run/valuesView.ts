/** What a run recorded and returned. */

import { html, showText } from '../../drawing/elements';
import { errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { IRunValue } from '../pagesApi';
import type { RunRecords } from './runRecords';
import type { IRunView } from './runView';
import { linkedText, valueText } from './valueText';

/** Shows the values; they are read anew when the run's state changes. */
export class ValuesView implements IRunView {
  constructor(private readonly _context: IPageContext) {
    this.node.append(this._problem, this._notice, this._list);
  }

  readonly node = html('div', { class: 'orc-values' });

  update(records: RunRecords): void {
    const { run } = records;
    const state = run === null ? '' : `${run.epoch} ${run.state} ${run.tasks?.done ?? ''}`;
    if (run !== null && state !== this._readOf) {
      this._readOf = state;
      void this._read(run.run_id);
    }
  }

  dispose(): void {
    this.node.remove();
  }

  private async _read(runId: string): Promise<void> {
    const { pagesApi, texts } = this._context;
    try {
      const values = await pagesApi.readValues(runId);
      showText(this._problem, '');
      showText(
        this._notice,
        values.length === 0
          ? texts.__(
              'This run has recorded and returned nothing. record(name=value) in a notebook keeps a value.'
            )
          : ''
      );
      this._list.replaceChildren(...values.map(value => this._draw(value)));
    } catch (error) {
      showText(this._problem, errorText(error, texts));
    }
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
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _notice = html('p', { class: 'orc-empty', hidden: true });
  private readonly _list = html('ul', { class: 'orc-value-list' });
}

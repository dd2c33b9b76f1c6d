/** The parameters that a run was given, and what else its record says. */

import { formatMoment } from '../../drawing/durations';
import { html } from '../../drawing/elements';
import type { IPageContext } from '../page';
import type { RunRecords } from './runRecords';
import type { IRunView } from './runView';
import { factList, linkedText, valueText } from './valueText';

/** Shows the parameters. */
export class ParametersView implements IRunView {
  constructor(private readonly _context: IPageContext) {}

  readonly node = html('div', { class: 'orc-parameters' });

  update(records: RunRecords): void {
    const { run } = records;
    const { texts, locale } = this._context;
    const shown = JSON.stringify(run);
    if (run === null || shown === this._shown) {
      return;
    }
    this._shown = shown;
    const parameters = Object.entries(run.parameters).map(([name, value]): [string, Node] => [
      name,
      linkedText(valueText(value))
    ]);
    const moment = (at: string | null): string => (at === null ? '' : formatMoment(at, locale));
    const tags = Object.entries(run.tags).map(([key, value]) => (value ? `${key}=${value}` : key));
    const facts: [string, string][] = [
      [texts.__('Run'), run.name],
      [texts.__('Id'), run.run_id],
      [texts.__('Flow'), run.flow_name],
      [texts.__('Deployment'), run.deployment ?? ''],
      [texts.__('Attempt'), String(run.epoch)],
      [texts.__('Made'), moment(run.created_at)],
      [texts.__('Started'), moment(run.started_at)],
      [texts.__('Ended'), moment(run.ended_at)],
      [texts.__('Notebook'), run.notebook_path ?? ''],
      [texts.__('Executed notebook'), run.output_path ?? ''],
      [texts.__('Cluster'), run.cluster ?? ''],
      [texts.__('Tags'), tags.join(', ')]
    ];
    this.node.replaceChildren(
      html('h2', {}, texts.__('Parameters')),
      parameters.length === 0
        ? html('p', { class: 'orc-empty' }, texts.__('This run was given none.'))
        : factList(parameters),
      html('h2', {}, texts.__('This run')),
      factList(facts.filter(([, value]) => value !== ''))
    );
  }

  dispose(): void {
    this.node.remove();
  }

  private _shown = '';
}

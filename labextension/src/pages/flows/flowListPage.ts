/** The flows that have run or are deployed: how each has done of late, and when it is due next. */

import { formatDuration } from '../../drawing/durations';
import { html, setAttributes, showCommands, showText } from '../../drawing/elements';
import type { IRunsChange, IRunsModel } from '../../tokens';
import { errorText } from '../dialogs';
import { pageLink } from '../page';
import type { IPage, IPageContext } from '../page';
import { dueTime, showDueTimes } from './dueTime';
import type { IFlow, IFlowDeployment } from './flowSchemas';
import { rateWords } from './flowWords';
import { NotebookChoice } from './notebookChoice';
import { outcomeSquares } from './outcomes';
import { Reader } from './reader';

/** Shows the list; it is read anew while runs change. */
export class FlowListPage implements IPage {
  constructor(context: IPageContext) {
    this._context = context;
    const { texts, runs } = context;
    this.title = texts.__('Flows');
    this._titles = [
      texts.__('Flow'),
      texts.__('Last runs'),
      texts.__('Success'),
      texts.__('Median'),
      texts.__('Next due'),
      texts.__('Deployments')
    ];
    const head = this._titles.map(title =>
      html('th', { scope: 'col', role: 'columnheader' }, title)
    );
    const table = html(
      'table',
      { role: 'table', 'aria-label': texts.__('Flows, by name') },
      html('thead', { role: 'rowgroup' }, html('tr', { role: 'row' }, ...head)),
      this._body
    );
    this._table.append(table);
    this._more.textContent = texts.__('More flows');
    this._more.addEventListener('click', () => void this._readMore());
    this.node.append(
      html('h1', {}, this.title),
      this._problem,
      this._empty,
      this._table,
      this._more,
      this._news
    );
    this._reader = new Reader(() => this._read());
    runs.changed.connect(this._onChanged, this);
    const watch = runs.watch();
    const unfollow = context.clock.follow(() => showDueTimes(this._body, context));
    this._undo = () => {
      unfollow();
      runs.changed.disconnect(this._onChanged, this);
      watch.dispose();
    };
    this._reader.ask();
  }

  readonly node = html('div', { class: 'orc-page orc-flows-page' });
  readonly title: string;
  onTitle: (() => void) | null = null;

  dispose(): void {
    this._undo();
    this._reader.dispose();
    this.node.remove();
  }

  private _onChanged(_: IRunsModel, change: IRunsChange): void {
    if (change.runs.size > 0) {
      this._reader.ask();
    }
  }

  /** Read as many pages as are shown. */
  private async _read(): Promise<void> {
    const { pagesApi, texts } = this._context;
    try {
      const flows: IFlow[] = [];
      let next: string | null = null;
      for (let page = 0; page < this._pages; page++) {
        const answer = await pagesApi.listFlows(next);
        flows.push(...answer.flows);
        next = answer.next;
        if (next === null) {
          break;
        }
      }
      showText(this._problem, '');
      this._show(flows, next !== null);
    } catch (error) {
      showText(this._problem, errorText(error, texts));
    }
  }

  private async _readMore(): Promise<void> {
    const before = this._body.childElementCount;
    this._pages += 1;
    this._more.disabled = true;
    await this._read();
    this._more.disabled = false;
    const more = this._body.childElementCount - before;
    this._news.textContent = this._context.texts._n('%1 more flow', '%1 more flows', more);
  }

  private _show(flows: readonly IFlow[], hasMore: boolean): void {
    const { texts } = this._context;
    const command = 'orchestra run report.ipynb';
    const none = texts.__('No flow has run yet. In a terminal: %1', command);
    showCommands(this._empty, flows.length === 0 ? none : '', [command]);
    this._table.hidden = flows.length === 0;
    this._more.hidden = !hasMore;
    flows.forEach((flow, at) => this._showRow(flow, at));
    while (this._body.childElementCount > flows.length) {
      this._body.lastElementChild?.remove();
    }
  }

  /** A row that says the same stays, so that the focus stays on its link. */
  private _showRow(flow: IFlow, at: number): void {
    const said = JSON.stringify(flow);
    const known = this._body.children[at];
    if (
      known?.getAttribute('data-orchestra-flow') === flow.name &&
      this._said.get(flow.name) === said
    ) {
      return;
    }
    const hasFocus = known?.contains(document.activeElement) ?? false;
    const row = this._makeRow(flow);
    this._said.set(flow.name, said);
    if (known === undefined) {
      this._body.append(row);
    } else {
      known.replaceWith(row);
    }
    if (hasFocus) {
      row.querySelector('a')?.focus();
    }
  }

  private _makeRow(flow: IFlow): HTMLElement {
    const { texts } = this._context;
    const link = pageLink(html('a', {}, flow.name), this._context, ['flows', flow.name]);
    const cells = [
      flow.outcomes.length === 0
        ? html('span', { class: 'orc-detail' }, texts.__('no run yet'))
        : outcomeSquares(flow.outcomes, this._context),
      rateWords(flow, texts),
      flow.duration === null ? '' : formatDuration(flow.duration.p50),
      flow.next_at === null ? '' : dueTime(flow.next_at, this._context),
      this._deploymentWords(flow.deployments)
    ];
    const row = html('tr', { role: 'row', 'data-orchestra-flow': flow.name });
    const name = html('th', { scope: 'row', role: 'rowheader' }, link);
    if (flow.notebooks.length > 1) {
      const choice = new NotebookChoice(this._context, flow.name);
      choice.update(flow.notebooks, undefined);
      name.append(choice.node);
    }
    row.append(name);
    cells.forEach((cell, index) => {
      const node = html('td', { role: 'cell', 'data-label': this._titles[index + 1] }, cell);
      setAttributes(node, { 'data-empty': cell === '' });
      row.append(node);
    });
    return row;
  }

  private _deploymentWords(deployments: readonly IFlowDeployment[]): string {
    const { texts } = this._context;
    return deployments
      .map(({ name, is_paused }) => (is_paused ? texts.__('%1 (paused)', name) : name))
      .join(', ');
  }

  private readonly _context: IPageContext;
  private readonly _titles: readonly string[];
  private readonly _undo: () => void;
  private readonly _reader: Reader;
  private _pages = 1;
  private readonly _said = new Map<string, string>();
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
  private readonly _table = html('div', { class: 'orc-flow-list', hidden: true });
  private readonly _body = html('tbody', { role: 'rowgroup' });
  private readonly _more = html('button', { type: 'button', class: 'orc-push', hidden: true });
  private readonly _news = html('span', { class: 'orc-sr-only', role: 'status' });
}

/** The page of a flow: how its last runs went, what became of its tasks in them, what runs it next; two can be compared. */

import { formatDuration } from '../../drawing/durations';
import { html, setAttributes, showText } from '../../drawing/elements';
import { isId } from '../../schemas';
import type { IRunsChange, IRunsModel } from '../../tokens';
import { addressQuery, keepAddressQuery } from '../address';
import { errorText } from '../dialogs';
import { shortPaths } from '../namesakes';
import type { IPage, IPageContext, PagePath } from '../page';
import { Tabs } from '../tabs';
import { ComparisonView } from './comparisonView';
import { DeploymentsView } from './deploymentsView';
import { dueTime, showDueTimes } from './dueTime';
import type { IFlow, IFlowDetails } from './flowSchemas';
import { rateWords } from './flowWords';
import { HistoryChart } from './historyChart';
import { HistoryTable } from './historyTable';
import { MatrixTable } from './matrixTable';
import { NotebookChoice } from './notebookChoice';
import { Reader } from './reader';

/** An absolute path of any system; the other ones are below the server's root folder. */
const ABSOLUTE = /^([\\/]|[A-Za-z]:[\\/])/;

/** Shows a flow; it is read anew while its runs change. */
export class FlowPage implements IPage {
  /** @param notebook - the path of the notebook that it is of, as the server takes it; null for all of the name */
  constructor(context: IPageContext, flow: string, notebook: string | null) {
    this._context = context;
    this._flow = flow;
    this._notebook = notebook;
    this.title = flow;
    this._name.textContent = flow;
    const { texts, runs } = context;
    this._chart = new HistoryChart(context);
    this._runs = new HistoryTable(context, (older, newer) => this._compare(older, newer));
    this._matrix = new MatrixTable(context);
    this._comparison = new ComparisonView(context);
    this._deployments = new DeploymentsView(context);
    this._tabs = this._makeTabs();
    this._notice.textContent = texts.__('Reading the flow…');
    this._content.hidden = true;
    this._notebooks = new NotebookChoice(context, flow);
    this._content.append(
      this._notebooks.node,
      this._facts,
      this._chart.node,
      this._empty,
      this._tabs.node
    );
    this.node.append(
      html('h1', {}, this._name, ' ', html('span', { class: 'orc-detail' }, texts.__('flow'))),
      this._notice,
      this._problem,
      this._content
    );
    this._reader = new Reader(() => this._read());
    runs.changed.connect(this._onChanged, this);
    const watch = runs.watch();
    const unfollow = context.clock.follow(() => this._showTimes());
    this._undo = () => {
      runs.changed.disconnect(this._onChanged, this);
      watch.dispose();
      unfollow();
    };
    this._reader.ask();
  }

  readonly node = html('div', { class: 'orc-page orc-flow-page' });
  title: string;
  onTitle: (() => void) | null = null;

  dispose(): void {
    this._isDisposed = true;
    this._undo();
    this._reader.dispose();
    this.node.remove();
  }

  private _makeTabs(): Tabs {
    const { texts } = this._context;
    const tabs = [
      { key: 'runs', label: texts.__('Runs') },
      { key: 'tasks', label: texts.__('Tasks') },
      { key: 'deployments', label: texts.__('Schedules and versions') },
      { key: 'comparison', label: texts.__('Comparison') }
    ];
    const views: Readonly<Record<string, HTMLElement>> = {
      runs: this._runs.node,
      tasks: this._matrix.node,
      deployments: this._deployments.node,
      comparison: this._comparison.node
    };
    const made = new Tabs(tabs, texts.__('What is known of this flow'), (key, panel) => {
      if (panel.childElementCount === 0) {
        panel.append(views[key]);
      }
      this._showTab();
    });
    made.setHidden('comparison', true);
    return made;
  }

  private _onChanged(_: IRunsModel, change: IRunsChange): void {
    const { runs } = this._context;
    if ([...change.runs].some(id => runs.run(id)?.flow_name === this._flow)) {
      this._reader.ask();
    }
  }

  private async _read(): Promise<void> {
    const { pagesApi, texts } = this._context;
    try {
      const details = await pagesApi.readFlow(this._flow, this._notebook);
      if (!this._isDisposed) {
        showText(this._problem, '');
        this._details = details;
        this._show(details);
        this._goToOneAddress(details);
      }
    } catch (error) {
      showText(this._problem, errorText(error, texts));
    } finally {
      showText(this._notice, '');
    }
  }

  private _show(details: IFlowDetails): void {
    const { texts } = this._context;
    const { flow, runs } = details;
    this._notebooks.update(flow.notebooks, details.notebook);
    this._showTitle(details);
    this._showFacts(flow);
    this._chart.update(runs, flow);
    const none =
      details.notebook === null
        ? texts.__('This flow has not run yet.')
        : texts.__('This notebook has not run as a flow yet.');
    showText(this._empty, runs.length === 0 ? none : '');
    this._tabs.setHidden('runs', runs.length === 0);
    this._tabs.setHidden('tasks', runs.length === 0);
    this._content.hidden = false;
    if (!this._tabs.has(this._tabs.chosen)) {
      this._tabs.choose(runs.length === 0 ? 'deployments' : 'runs');
      this._readAddress();
    } else {
      this._showTab();
    }
  }

  /** What the server calls a path below its root folder has the address that links have, also when the file is gone. */
  private _goToOneAddress({ notebook }: IFlowDetails): void {
    const isOther = this._notebook !== null && !ABSOLUTE.test(this._notebook);
    if (isOther && notebook !== null && !this._hasLed) {
      this._hasLed = true;
      this._context.goInstead(this._path, ['flows', this._flow, notebook]);
    }
  }

  /** Bring what is in sight up to date. */
  private _showTab(): void {
    const details = this._details;
    if (details === null) {
      return;
    }
    switch (this._tabs.chosen) {
      case 'runs':
        this._runs.update(details.runs);
        break;
      case 'tasks':
        this._matrix.update(details);
        break;
      case 'deployments':
        this._deployments.update(details.flow.deployments);
        break;
    }
  }

  /** Call the page of one notebook by where that is; its tab only where there are several of the name. */
  private _showTitle({ flow, notebook }: IFlowDetails): void {
    if (notebook === null) {
      return;
    }
    const others = flow.notebooks.filter(path => path !== notebook);
    const short = shortPaths([notebook, ...others]).get(notebook) ?? this._flow;
    showText(this._name, short, notebook);
    if (others.length > 0) {
      this.title = short;
      this.onTitle?.();
    }
  }

  private _showFacts(flow: IFlow): void {
    const { texts } = this._context;
    const { duration } = flow;
    const paused = flow.deployments.filter(one => one.is_paused).map(({ name }) => name);
    const facts: [string, Node | string][] = [
      [texts.__('Success'), rateWords(flow, texts)],
      [texts.__('Median'), duration === null ? '' : formatDuration(duration.p50)],
      [texts.__('95 % within'), duration === null ? '' : formatDuration(duration.p95)],
      [texts.__('Next due'), flow.next_at === null ? '' : dueTime(flow.next_at, this._context)],
      [texts.__('Paused'), paused.join(', ')]
    ];
    const shown = facts.filter(([, value]) => value !== '');
    this._facts.replaceChildren(
      ...shown.map(([name, value]) => html('div', {}, html('dt', {}, name), html('dd', {}, value)))
    );
    this._facts.hidden = shown.length === 0;
  }

  private _showTimes(): void {
    this._runs.showTimes();
    showDueTimes(this.node, this._context);
  }

  /** Which two are compared is in the address, so that it can be kept and sent. */
  private _readAddress(): void {
    const query = new URLSearchParams(addressQuery(this._context, this._path));
    const ids = query.get('compare')?.split(',') ?? [];
    if (ids.length === 2 && ids.every(isId)) {
      this._compare(ids[0], ids[1]);
    }
  }

  private _compare(older: string, newer: string): void {
    keepAddressQuery(this._context, this._path, `?compare=${older},${newer}`);
    this._tabs.setHidden('comparison', false);
    this._tabs.choose('comparison');
    setAttributes(this._comparison.node, { tabindex: -1 });
    this._comparison.node.focus({ preventScroll: true });
    void this._comparison.show(older, newer);
  }

  private get _path(): PagePath {
    return ['flows', this._flow, ...(this._notebook === null ? [] : [this._notebook])];
  }

  private readonly _context: IPageContext;
  private readonly _flow: string;
  private readonly _notebook: string | null;
  private readonly _notebooks: NotebookChoice;
  private readonly _undo: () => void;
  private readonly _reader: Reader;
  private readonly _chart: HistoryChart;
  private readonly _runs: HistoryTable;
  private readonly _matrix: MatrixTable;
  private readonly _comparison: ComparisonView;
  private readonly _deployments: DeploymentsView;
  private readonly _tabs: Tabs;
  private _details: IFlowDetails | null = null;
  private _isDisposed = false;
  private _hasLed = false;
  private readonly _name = html('span');
  private readonly _notice = html('p', { class: 'orc-empty', role: 'status' });
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _content = html('div');
  private readonly _facts = html('dl', { class: 'orc-flow-facts' });
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
}

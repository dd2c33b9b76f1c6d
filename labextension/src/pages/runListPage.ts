/** The first page: the runs, the newest first, live, with a filter and more on demand. */

import {
  formatAgo,
  formatDuration,
  formatElapsed,
  formatMoment,
  secondsRun
} from '../drawing/durations';
import { html, setAttributes, showCommands, showText } from '../drawing/elements';
import { stateIcon } from '../drawing/icons';
import { isLive, laterRecord, stateLook } from '../drawing/states';
import type { IRun } from '../schemas';
import type { IRunsChange, IRunsModel } from '../tokens';
import { addressQuery, keepAddressQuery } from './address';
import { errorText } from './dialogs';
import { namesakes } from './namesakes';
import { pageLink } from './page';
import type { IPage, IPageContext } from './page';
import type { IRunFilter, IRunListPage } from './pagesApi';

/** Name in the address to states of the API. */
const STATE_GROUPS: Readonly<Record<string, string>> = {
  active: 'PENDING,RUNNING,RETRYING,PAUSED,CANCELLING',
  scheduled: 'SCHEDULED',
  completed: 'COMPLETED',
  failed: 'FAILED,TIMED_OUT,CRASHED',
  cancelled: 'CANCELLED,SKIPPED,MISSED'
};

/** What makes a first run, in the order in which they are told. */
const FIRST_STEPS = ['%%task clean', 'orchestra run report.ipynb'];

interface IRow {
  readonly item: HTMLElement;
  readonly state: HTMLElement;
  readonly error: HTMLElement;
  readonly notebook: HTMLElement;
  readonly when: HTMLElement;
  readonly took: HTMLElement;
  readonly count: HTMLElement;
  run: IRun;
}

/** Shows the list. */
export class RunListPage implements IPage {
  constructor(context: IPageContext) {
    this._context = context;
    const { texts, runs } = context;
    this.title = texts.__('Runs');
    this._makeFilter();
    this._more.textContent = texts.__('More runs');
    this._more.addEventListener('click', () => void this._read(true));
    this._list.setAttribute('aria-label', texts.__('Runs, the newest first'));
    this.node.append(
      html('h1', {}, texts.__('Runs')),
      this._filter,
      this._problem,
      this._empty,
      this._list,
      this._more,
      this._news
    );
    this._readAddress();
    runs.changed.connect(this._onChanged, this);
    const watch = runs.watch();
    const unfollow = context.clock.follow(() => this._rows.forEach(row => this._showTimes(row)));
    this._undo = () => {
      runs.changed.disconnect(this._onChanged, this);
      watch.dispose();
      unfollow();
    };
    void this._read(false);
  }

  readonly node = html('div', { class: 'orc-page orc-runs-page' });
  readonly title: string;
  onTitle: (() => void) | null = null;

  dispose(): void {
    this._isDisposed = true;
    this._undo();
    this.node.remove();
  }

  private _makeFilter(): void {
    const { texts } = this._context;
    const options: [string, string][] = [
      ['', texts.__('All states')],
      ['active', texts.__('Active')],
      ['scheduled', texts.__('Scheduled')],
      ['completed', texts.__('Completed')],
      ['failed', texts.__('Failed')],
      ['cancelled', texts.__('Cancelled or left out')]
    ];
    this._state.append(...options.map(([value, label]) => html('option', { value }, label)));
    this._flows.id = 'orc-known-flows';
    setAttributes(this._name, {
      list: this._flows.id,
      autocomplete: 'off',
      spellcheck: 'false',
      placeholder: texts.__('Part of a flow, or a run')
    });
    this._filter.append(
      html('label', { class: 'orc-field' }, html('span', {}, texts.__('State')), this._state),
      html('label', { class: 'orc-field' }, html('span', {}, texts.__('Flow or run')), this._name),
      html('button', { type: 'submit', class: 'orc-push' }, texts.__('Show')),
      this._flows
    );
    this._filter.setAttribute('aria-label', texts.__('Filter'));
    this._filter.addEventListener('submit', event => {
      event.preventDefault();
      this._apply();
    });
    this._state.addEventListener('change', () => this._apply());
  }

  /** The filter is in the address, so that a filtered list can be kept and sent. */
  private _readAddress(): void {
    const query = new URLSearchParams(addressQuery(this._context, []));
    const state = query.get('state') ?? '';
    this._state.value = state in STATE_GROUPS ? state : '';
    this._name.value = query.get('name') ?? '';
  }

  private _apply(): void {
    const query = new URLSearchParams();
    if (this._state.value !== '') {
      query.set('state', this._state.value);
    }
    if (this._name.value.trim() !== '') {
      query.set('name', this._name.value.trim());
    }
    const end = query.toString() === '' ? '' : `?${query}`;
    keepAddressQuery(this._context, [], end);
    void this._read(false);
  }

  private get _wanted(): IRunFilter {
    return { states: STATE_GROUPS[this._state.value] ?? '', flow: this._name.value.trim() };
  }

  private async _read(isMore: boolean): Promise<void> {
    const { pagesApi, texts } = this._context;
    this._reading += 1;
    const reading = this._reading;
    const wanted = this._wanted;
    setAttributes(this._list, { 'aria-busy': 'true' });
    this._more.disabled = true;
    try {
      const flow = this._flow;
      const found = isMore
        ? { ...(await pagesApi.listRuns({ ...wanted, flow }, this._next)), flow }
        : await this._find(wanted);
      const { runs } = found;
      if (reading === this._reading && !this._isDisposed) {
        showText(this._problem, '');
        this._flow = found.flow;
        this._next = found.next;
        this._take(runs, isMore);
        if (isMore) {
          this._news.textContent = texts._n('%1 more run', '%1 more runs', runs.length);
        }
      }
    } catch (error) {
      if (reading === this._reading) {
        showText(this._problem, errorText(error, texts));
      }
    } finally {
      if (reading === this._reading) {
        setAttributes(this._list, { 'aria-busy': null });
        this._more.disabled = false;
      }
    }
  }

  /** Read the first runs of a flow; else the run of this name, or the runs of flows in whose names this is a part. */
  private async _find(wanted: IRunFilter): Promise<IRunListPage & { readonly flow: string }> {
    const { pagesApi } = this._context;
    const { flow, states } = wanted;
    const page = await pagesApi.listRuns(wanted, null);
    if (page.runs.length > 0 || flow === '' || flow.includes('*')) {
      return { ...page, flow };
    }
    const named = await pagesApi.findRun(flow);
    if (named !== null) {
      return { runs: isOfStates(named, states) ? [named] : [], next: null, flow };
    }
    const pattern = `*${flow}*`;
    return { ...(await pagesApi.listRuns({ ...wanted, flow: pattern }, null)), flow: pattern };
  }

  private _take(runs: readonly IRun[], isMore: boolean): void {
    if (!isMore) {
      this._rows.clear();
      this._list.replaceChildren();
    }
    for (const run of runs) {
      if (!this._rows.has(run.run_id)) {
        const row = this._makeRow(run);
        this._list.append(row.item);
        this._show(row);
      }
    }
    this._isRead = true;
    this._more.hidden = this._next === null;
    this._showNamesakes();
    // what came by the stream meanwhile may be newer than the answer
    const known = this._context.runs;
    const ids = new Set(known.runs.map(run => run.run_id));
    this._onChanged(known, { runs: ids, tasks: new Set() });
  }

  private _onChanged(_: IRunsModel, change: IRunsChange): void {
    if (!this._isRead) {
      return;
    }
    const { runs } = this._context;
    const changed = [...change.runs].sort().flatMap(id => runs.run(id) ?? []);
    const count = this._rows.size;
    const newest = [...this._rows.keys()].reduce((a, b) => (a > b ? a : b), '');
    for (const run of changed) {
      const row = this._rows.get(run.run_id);
      if (row !== undefined) {
        row.run = laterRecord(row.run, run);
        this._show(row);
      } else if (run.run_id > newest && this._isWanted(run)) {
        const made = this._makeRow(run);
        this._list.prepend(made.item);
        this._show(made);
      }
    }
    if (this._rows.size > count) {
      this._showNamesakes(); // a run stays that of its notebook
    }
    this._showEmpty();
    this._offerFlows();
  }

  /** Say where the notebook is, of runs of flows of which there are several by one name. */
  private _showNamesakes(): void {
    const rows = [...this._rows.values()];
    const short = namesakes(rows.map(({ run }) => run));
    for (const { run, notebook } of rows) {
      showText(notebook, short.get(run.run_id) ?? '', run.notebook_path);
    }
  }

  private _isWanted(run: IRun): boolean {
    return isOfStates(run, this._wanted.states) && isCalled(run.flow_name, this._flow);
  }

  private _makeRow(run: IRun): IRow {
    const { texts, locale } = this._context;
    const flow = html('a', { class: 'orc-run-flow' }, run.flow_name);
    const name = html('a', { class: 'orc-run-link' }, run.name);
    const notebook = html('span', { class: 'orc-detail', hidden: true });
    const names = html(
      'span',
      { class: 'orc-run-names' },
      pageLink(flow, this._context, ['flows', run.flow_name]),
      ' ',
      pageLink(name, this._context, ['runs', run.run_id]),
      ' ',
      notebook
    );
    const at = run.started_at ?? run.created_at;
    const made = {
      item: html('li', { class: 'orc-run-item', 'data-orchestra-run': run.name }),
      state: html('span', { class: 'orc-state' }),
      error: html('span', { class: 'orc-run-error' }),
      notebook,
      when: html('time', { class: 'orc-detail orc-run-when', datetime: at }),
      took: html('span', { class: 'orc-time' }),
      count: html('span', { class: 'orc-detail' }),
      run
    };
    if (at !== null) {
      made.when.title = texts.__('Started %1', formatMoment(at, locale));
    }
    made.item.append(made.state, names, made.when, made.took, made.count, made.error);
    this._rows.set(run.run_id, made);
    return made;
  }

  private _show(row: IRow): void {
    const { texts } = this._context;
    const { run } = row;
    const look = stateLook(run.state);
    if (row.state.getAttribute('data-state') !== run.state) {
      setAttributes(row.state, { 'data-state': run.state, 'data-tone': look.tone });
      const word = html('span', { class: 'orc-word' }, look.word(texts));
      row.state.replaceChildren(stateIcon(look.icon), word);
    }
    setAttributes(row.item, { 'data-state': run.state, 'data-tone': look.tone });
    const message = run.message.trim().split('\n', 1)[0];
    showText(row.error, message, run.message || null);
    const counts = run.tasks !== null && run.tasks.total > 0 ? run.tasks : null;
    const counted =
      counts && texts._n('%2 of %1 task', '%2 of %1 tasks', counts.total, counts.done);
    showText(row.count, counted ?? '');
    this._showTimes(row);
  }

  private _showTimes(row: IRow): void {
    const { texts, clock, locale } = this._context;
    const { run } = row;
    const at = run.started_at ?? run.created_at;
    const seconds = secondsRun(run, clock.now());
    showText(
      row.when,
      at === null ? '' : formatAgo(at, clock.now(), texts, locale),
      row.when.title
    );
    const format = isLive(run.state) ? formatElapsed : formatDuration;
    showText(row.took, seconds === null ? '' : format(seconds));
  }

  private _showEmpty(): void {
    const { texts } = this._context;
    const isFiltered = this._state.value !== '' || this._name.value.trim() !== '';
    const none = isFiltered
      ? texts.__('No run is like this. Choose other states, or leave the name empty.')
      : texts.__(
          'No runs yet. Put %1 on the first line of a cell and run it, or in a terminal: %2',
          ...FIRST_STEPS
        );
    showCommands(this._empty, this._rows.size === 0 ? none : '', FIRST_STEPS);
  }

  private _offerFlows(): void {
    const known = new Set([...this._flows.children].map(option => option.getAttribute('value')));
    for (const { run } of this._rows.values()) {
      if (!known.has(run.flow_name)) {
        known.add(run.flow_name);
        this._flows.append(html('option', { value: run.flow_name }));
      }
    }
  }

  private readonly _context: IPageContext;
  private readonly _undo: () => void;
  private _reading = 0;
  private _isRead = false;
  /** The flow that the list is of; `*` stands for anything. */
  private _flow = '';
  private _isDisposed = false;
  private _next: string | null = null;
  private readonly _rows = new Map<string, IRow>();
  private readonly _filter = html('form', { class: 'orc-filter', role: 'search' });
  private readonly _state = html('select');
  private readonly _name = html('input', { type: 'text' });
  private readonly _flows = html('datalist');
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
  private readonly _list = html('ol', { class: 'orc-run-list' });
  private readonly _more = html('button', { type: 'button', class: 'orc-push', hidden: true });
  private readonly _news = html('span', { class: 'orc-sr-only', role: 'status' });
}

function isOfStates(run: IRun, states: string): boolean {
  return states === '' || states.split(',').includes(run.state);
}

/** Whether a name is like a pattern, as the server sees it; an empty one is like any. */
function isCalled(name: string, pattern: string): boolean {
  if (!pattern.includes('*')) {
    return pattern === '' || name === pattern;
  }
  const parts = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`, 'i').test(name);
}

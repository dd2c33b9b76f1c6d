/** The head of the run page: which run, how it stands, and what can be done about it. */

import { formatDuration, formatElapsed, formatMoment, secondsRun } from '../../drawing/durations';
import { html, setAttributes, showCommands, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { isFailure, isLive, stateLook } from '../../drawing/states';
import type { IRun } from '../../schemas';
import { errorText } from '../dialogs';
import { pageLink } from '../page';
import type { IPageContext } from '../page';
import { AttemptsList } from './attemptsList';
import { askToCancel } from './cancelling';
import { askToRetry } from './resumption';
import { NO_WAY } from './rerunForecast';
import type { IWayToNewRun } from './rerunForecast';
import { canRunAgain, mayHaveWay, runAgain } from './runAgain';
import type { RunRecords } from './runRecords';
import { askForState, canSetState, whoSetState } from './stateSetting';
import { typedRun } from './typedRun';

/** Expected durations below this are no news. */
const LEAST_EXPECTED_SECONDS = 1;

/** Draws the head, and does what its buttons say. */
export class RunHeader {
  /** @param showNotebook - shows the executed notebook of an attempt */
  constructor(
    private readonly _context: IPageContext,
    showNotebook: (attempt: number) => void
  ) {
    const { texts } = _context;
    this._attempts = new AttemptsList(_context, showNotebook);
    this._cancel = this._action(texts.__('Cancel'), run => this._onCancel(run));
    this._retry = this._action(texts.__('Retry'), run => this._onRetry(run));
    this._setState = this._action(texts.__('Set state…'), run => this._onSetState(run));
    this._again = this._action(texts.__('Run again…'), run => this._onAgain(run));
    this._name.textContent = texts.__('Run'); // until it is read which one
    this._heading.append(this._flow, ' ', this._name);
    this.node.append(
      this._heading,
      html(
        'div',
        { class: 'orc-run-facts' },
        this._state,
        this._time,
        this._count,
        this._attempts.button,
        html(
          'span',
          { class: 'orc-run-actions' },
          this._cancel,
          this._retry,
          this._again,
          this._setState
        )
      ),
      this._attempts.node,
      this._message,
      this._advice,
      this._problem,
      this._news
    );
  }

  readonly node = html('div', { class: 'orc-run-header' });

  /** Show newer records. */
  update(records: RunRecords): void {
    const { run } = records;
    if (run === null) {
      return;
    }
    const { texts, locale } = this._context;
    const before = this._run;
    const held = document.activeElement;
    this._run = run;
    this._gone = records.gone;
    this._expected = records.expectedSeconds;
    const look = stateLook(run.state);
    if (before?.state !== run.state) {
      const word = html('span', { class: 'orc-word' }, look.word(texts));
      this._state.replaceChildren(stateIcon(look.icon), word);
      setAttributes(this._state, { 'data-tone': look.tone, 'data-state': run.state });
    }
    setAttributes(this.node, { 'data-orchestra-run': run.name, 'data-state': run.state });
    if (before === null) {
      pageLink(this._flow, this._context, ['flows', run.flow_name]);
    }
    showText(this._flow, run.flow_name);
    showText(this._name, texts.__('run %1', run.name));
    showText(this._count, countWords(records, this._context));
    this._attempts.update(run);
    if (run.started_at !== null) {
      this._time.title = texts.__('Started %1', formatMoment(run.started_at, locale));
    }
    const by = whoSetState(run);
    const isSaidBelow = run.state === 'PAUSED' || (isFailure(run.state) && by === null);
    const said = by === null ? run.message : texts.__('Set to %1 by %2', look.word(texts), by);
    showText(this._message, isSaidBelow ? '' : said);
    const hasEnded = !isLive(run.state);
    const isBad = isFailure(run.state) || run.state === 'CANCELLED';
    this._cancel.hidden = hasEnded;
    this._cancel.disabled = run.state === 'CANCELLING' || this._isBusy;
    // a notebook of no deployment is run again by the server, where it has what that ran
    const isOfServer = run.deployment !== null || run.kind === 'notebook';
    this._retry.hidden = !(hasEnded && isBad && isOfServer);
    this._setState.hidden = !canSetState(run);
    this._showAgain(run);
    if (held instanceof HTMLElement && held.hidden && this.node.contains(held)) {
      this._heading.focus(); // not back to the top of the page when a button goes
    }
    const command = `orchestra runs retry ${typedRun(run)}`;
    const isOfShell = hasEnded && isBad && !isOfServer && run.kind !== 'interactive';
    const advice = isOfShell ? texts.__('To go on where it failed: %1', command) : '';
    showCommands(this._advice, advice, [command]);
    if (before !== null && before.state !== run.state) {
      this._news.textContent = texts.__('Run %1: %2', run.name, look.word(texts));
    }
    this.showTime();
  }

  /** Show how long it has run; called as time goes by. */
  showTime(): void {
    const run = this._run;
    const seconds = run === null ? null : secondsRun(run, this._context.clock.now());
    if (run === null || seconds === null) {
      showText(this._time, '');
      return;
    }
    const { texts } = this._context;
    const expected = this._expected;
    const hasExpected = expected !== null && expected >= LEAST_EXPECTED_SECONDS;
    const title = this._time.title;
    const words = !isLive(run.state)
      ? formatDuration(seconds)
      : hasExpected
        ? texts.__('%1 of ~%2', formatElapsed(seconds), formatElapsed(expected))
        : formatElapsed(seconds);
    showText(this._time, words, title);
  }

  /** Whether a flow of no deployment can be run anew is asked when it has ended: its code may not have been kept. */
  private _showAgain(run: IRun): void {
    const wanted = mayHaveWay(run) ? `${run.run_id} ${run.epoch}` : '';
    if (wanted !== this._wayOf) {
      this._wayOf = wanted;
      this._way = NO_WAY;
      if (wanted !== '') {
        void this._readWay(run, wanted);
      }
    }
    this._again.hidden = this._way === NO_WAY && !canRunAgain(this._context, run);
  }

  private async _readWay(run: IRun, wanted: string): Promise<void> {
    try {
      const { new_run: way } = await this._context.pagesApi.readOutlook(run.run_id, null);
      if (wanted === this._wayOf && (way.deployment !== null || way.command !== '')) {
        this._way = way;
        this._again.hidden = false;
      }
    } catch {
      this._wayOf = ''; // asked again with the next record: what cannot be said is not offered
    }
  }

  private _action(label: string, act: (run: IRun) => Promise<void>): HTMLButtonElement {
    const node = html('button', { type: 'button', class: 'orc-push' }, label);
    node.hidden = true;
    node.addEventListener('click', () => {
      if (this._run !== null && !this._isBusy) {
        void this._do(node, this._run, act);
      }
    });
    return node;
  }

  /** Do something; what goes wrong is said below the head. */
  private async _do(
    node: HTMLButtonElement,
    run: IRun,
    act: (run: IRun) => Promise<void>
  ): Promise<void> {
    const hadFocus = document.activeElement === node;
    this._isBusy = true;
    node.disabled = true;
    showText(this._problem, '');
    try {
      await act(run);
    } catch (error) {
      showText(this._problem, errorText(error, this._context.texts));
    } finally {
      this._isBusy = false;
      node.disabled = node === this._cancel && this._run?.state === 'CANCELLING';
      // browsers take the focus from a button that cannot be pressed
      if (hadFocus && [null, document.body, node].includes(document.activeElement as HTMLElement)) {
        (node.disabled || node.hidden ? this._heading : node).focus();
      }
    }
  }

  private async _onCancel(run: IRun): Promise<void> {
    if (await askToCancel(this._context, run)) {
      this._news.textContent = this._context.texts.__('The run was asked to stop.');
    }
  }

  private async _onRetry(run: IRun): Promise<void> {
    const again = await askToRetry(this._context, run, this._gone);
    const { texts } = this._context;
    if (again !== null) {
      this._news.textContent = again.message || texts.__('The run is going to be run again.');
    }
  }

  private async _onSetState(run: IRun): Promise<void> {
    await askForState(this._context, run);
  }

  private async _onAgain(run: IRun): Promise<void> {
    const started = await runAgain(this._context, run, this._way);
    if (started !== null) {
      this._context.go(['runs', started.run_id]);
    }
  }

  private _run: IRun | null = null;
  private _gone: AbortSignal | undefined;
  private _expected: number | null = null;
  private _isBusy = false;
  private _way: IWayToNewRun = NO_WAY;
  /** Of which run and attempt the way is known, or being read. */
  private _wayOf = '';
  private readonly _heading = html('h1', { tabindex: -1 });
  private readonly _flow = html('a', { class: 'orc-run-flow' });
  private readonly _name = html('span', { class: 'orc-detail' });
  private readonly _state = html('span', { class: 'orc-state' });
  private readonly _time = html('span', { class: 'orc-time' });
  private readonly _count = html('span', { class: 'orc-detail' });
  private readonly _attempts: AttemptsList;
  private readonly _cancel: HTMLButtonElement;
  private readonly _retry: HTMLButtonElement;
  private readonly _again: HTMLButtonElement;
  private readonly _setState: HTMLButtonElement;
  private readonly _message = html('p', { class: 'orc-run-message', hidden: true });
  private readonly _advice = html('p', { class: 'orc-run-message', hidden: true });
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert', hidden: true });
  private readonly _news = html('span', { class: 'orc-sr-only', role: 'status' });
}

/** Say how many tasks, or cells where there are no tasks, have ended. */
function countWords(records: RunRecords, { texts }: IPageContext): string {
  const { tasks, cells } = records;
  const of = tasks.length > 0 ? tasks : cells;
  const done = of.filter(task => !isLive(task.state)).length;
  if (of.length === 0) {
    return '';
  }
  return tasks.length > 0
    ? texts._n('%2 of %1 task', '%2 of %1 tasks', of.length, done)
    : texts._n('%2 of %1 cell', '%2 of %1 cells', of.length, done);
}

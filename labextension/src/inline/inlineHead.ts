/** The line at the head of a run in a cell: how it stands, how long it took, and what can be done about it. */

import {
  formatDuration,
  formatElapsed,
  formatMoment,
  secondsAtWork,
  secondsRun
} from '../drawing/durations';
import { button, html, setAttributes, showText } from '../drawing/elements';
import { stateIcon } from '../drawing/icons';
import { isFailure, isLive, stateLook } from '../drawing/states';
import { stateWord } from '../drawing/taskWords';
import type { IFlowOutput, IRecord, IRun } from '../schemas';
import { countsOf, hasFailed, headRunId, isPlan } from './runParts';
import type { IInlineOptions } from './runSource';

/** Expected durations below this are no news. */
const LEAST_EXPECTED_SECONDS = 1;

/** Draws the head. */
export class InlineHead {
  /** @param details - the button that unfolds the tabs of a run of which there is no news */
  constructor(
    private readonly _options: IInlineOptions,
    details: HTMLButtonElement
  ) {
    const { texts, actions } = _options;
    this._cancel = button(texts.__('Cancel'), texts.__('Ask this run to stop'), () =>
      actions.cancelRun?.(this._runId)
    );
    this._retry = button(
      texts.__('Retry failed'),
      texts.__('Run again what failed or was cancelled, and nothing else'),
      () => this._onRetry()
    );
    this._again = button(
      texts.__('Run cell again'),
      texts.__('Run the whole cell that called this flow again, as a new run'),
      () => actions.rerunOwnCell?.(this.node)
    );
    this._open = button(texts.__('Open'), texts.__('Open the page of this run'), () =>
      actions.openRun?.(this._runId)
    );
    const buttons = [this._cancel, this._retry, this._again, details, this._open];
    this.node.append(
      this._state,
      this._name,
      this._runName,
      this._time,
      this._count,
      html('span', { class: 'orc-actions' }, ...buttons),
      this._news
    );
  }

  readonly node = html('div', { class: 'orc-line orc-flow-head' });

  /** Show newer records; `expected` is in seconds, null where it is not known. */
  update(output: IFlowOutput, expected: number | null): void {
    const before = this._output;
    this._output = output;
    this._expected = expected;
    const { run, live } = output;
    const { texts, actions } = this._options;
    const shown = run === null ? '' : `${run.state} ${live}`;
    if (run === null) {
      this._state.replaceChildren();
    } else if (this._state.getAttribute('data-state') !== shown) {
      const look = stateLook(run.state);
      const word = html('span', { class: 'orc-word' }, stateWord(run.state, live, texts));
      this._state.replaceChildren(stateIcon(look.icon), word);
      setAttributes(this._state, { 'data-tone': look.tone, 'data-state': shown });
    }
    const name = run?.flow_name || texts.__('This notebook');
    showText(this._name, name, name);
    showText(this._runName, run?.name ? texts.__('run %1', run.name) : '');
    showText(this._count, this._countWords());
    const goesOn = live && run !== null && isLive(run.state);
    this._cancel.hidden = !goesOn || actions.cancelRun === undefined;
    this._cancel.disabled = run?.state === 'CANCELLING';
    this._retry.hidden = this._retried() === null;
    this._again.hidden = actions.rerunOwnCell === undefined || !isFailedCall(output);
    this._open.hidden = isPlan(output) || this._runId === '' || actions.openRun === undefined;
    if (run !== null && before?.run?.run_id === run.run_id && before.live && !live) {
      this._news.textContent = texts.__('Run %1: %2', run.name, stateLook(run.state).word(texts));
    }
    this.showTime();
  }

  /** Show how long it has run; called as time goes by. */
  showTime(): void {
    const { texts, clock } = this._options;
    const run = this._output?.run ?? null;
    const last = run === null ? null : secondsRun(run, clock.now());
    const goesOn = run !== null && isLive(run.state);
    if (run === null || last === null || (goesOn && this._output?.live !== true)) {
      showText(this._time, '');
      return;
    }
    const seconds = Math.max(last, secondsAtWork(this._parts(run), clock.now()) ?? 0);
    const expected = this._expected ?? 0;
    const elapsed =
      expected < LEAST_EXPECTED_SECONDS
        ? formatElapsed(seconds)
        : texts.__('%1 of ~%2', formatElapsed(seconds), formatElapsed(expected));
    const words = goesOn ? elapsed : formatDuration(seconds);
    showText(
      this._time,
      words,
      this._timeTitle(run, goesOn ? formatElapsed(last) : formatDuration(last))
    );
  }

  /** Give the run and those of its tasks that can be counted: of the cells of a notebook, some ran before it began. */
  private _parts(run: IRun): readonly IRecord[] {
    const { tasks = [], live = false } = this._output ?? {};
    return [run, ...tasks.filter(({ ended_at: end }) => end !== null || live)];
  }

  /** Say since when it runs, and how much of the time is that of the last run where others ran before. */
  private _timeTitle(run: IRun, last: string): string {
    const { texts, locale } = this._options;
    const begun = run.started_at ?? '';
    const first = this._parts(run)
      .flatMap(({ started_at: start }) => start ?? [])
      .reduce((a, b) => (Date.parse(b) < Date.parse(a) ? b : a), begun);
    return Date.parse(first) < Date.parse(begun)
      ? texts.__(
          'Since %1, without what was idle in between. Run %2 alone: %3',
          formatMoment(first, locale),
          run.name,
          last
        )
      : texts.__('Started %1', formatMoment(begun, locale));
  }

  private get _runId(): string {
    return this._output === null ? '' : (headRunId(this._output) ?? '');
  }

  private _countWords(): string {
    const { texts } = this._options;
    const counts = this._output === null ? new Map<string, number>() : countsOf(this._output);
    const count = (isCounted: (state: string) => boolean): number =>
      [...counts].reduce((sum, [state, number]) => sum + (isCounted(state) ? number : 0), 0);
    const total = count(() => true);
    if (this._output === null || total === 0) {
      return '';
    }
    if (isPlan(this._output)) {
      return texts._n('%1 task', '%1 tasks', total);
    }
    const done = count(state => !isLive(state));
    const failed = count(isFailure);
    const counted = texts._n('%2 of %1 task', '%2 of %1 tasks', total, done);
    return failed === 0 ? counted : texts.__('%1, %2 failed', counted, failed);
  }

  /** Give what a retry would do: the whole run by whoever serves it, or some cells; null where nobody can. */
  private _retried(): 'run' | 'tasks' | readonly string[] | null {
    const { actions } = this._options;
    const output = this._output;
    if (output === null || output.live || isPlan(output) || !hasFailed(output)) {
      return null;
    }
    const { run, tasks } = output;
    if (run !== null && run.deployment !== null) {
      const isBad = isFailure(run.state) || run.state === 'CANCELLED';
      return isBad && actions.retryRun !== undefined ? 'run' : null;
    }
    const isOfCells = run === null || run.kind === 'interactive';
    if (isOfCells && actions.retryTasks !== undefined) {
      return tasks.some(isBadEnd) ? 'tasks' : null;
    }
    const cells = tasks.filter(isBadEnd).flatMap(task => task.cell_id ?? []);
    return isOfCells && cells.length > 0 && actions.rerunCells !== undefined ? cells : null;
  }

  private _onRetry(): void {
    const retried = this._retried();
    if (retried === 'run') {
      this._options.actions.retryRun?.(this._runId);
    } else if (retried === 'tasks') {
      const bad = this._output?.tasks.filter(isBadEnd) ?? [];
      this._options.actions.retryTasks?.(bad.map(task => task.task_run_id));
    } else if (retried !== null) {
      this._options.actions.rerunCells?.(retried, this.node);
    }
  }

  private _output: IFlowOutput | null = null;
  private _expected: number | null = null;
  private readonly _state = html('span', { class: 'orc-state' });
  private readonly _name = html('span', { class: 'orc-name' });
  private readonly _runName = html('span', { class: 'orc-detail' });
  private readonly _time = html('span', { class: 'orc-time' });
  private readonly _count = html('span', { class: 'orc-detail' });
  private readonly _cancel: HTMLButtonElement;
  private readonly _retry: HTMLButtonElement;
  private readonly _again: HTMLButtonElement;
  private readonly _open: HTMLButtonElement;
  private readonly _news = html('span', { class: 'orc-sr-only', role: 'status' });
}

/** Tell whether it is of a flow that a cell called and that ended badly: only its cell has what it was called with. */
function isFailedCall({ run, live }: IFlowOutput): boolean {
  return run !== null && !live && run.kind === 'flow' && run.deployment === null && isBadEnd(run);
}

function isBadEnd({ state }: Pick<IRecord, 'state'>): boolean {
  return isFailure(state) || state === 'CANCELLED';
}

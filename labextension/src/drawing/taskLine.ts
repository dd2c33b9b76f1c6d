/** The compact line under a task cell: state, name, time, what it waits for or why it failed; opens into the facts. */

import type { ITaskOutput, ITaskView } from '../schemas';
import type { Clock } from './clock';
import { button, html, setAttributes, showText } from './elements';
import { stateIcon } from './icons';
import { isLive, stateLook } from './states';
import { taskFacts, taskWords } from './taskWords';
import type { ITaskWords } from './taskWords';
import { traceback } from './traceback';
import type { ITexts } from './translation';

/** What a reader can do about a task; what is not given gets no button. */
export interface ITaskActions {
  readonly openLogs?: (task: ITaskView) => void;
  readonly cancel?: (task: ITaskView) => void;
  /** Tell whether a task can be cancelled by itself; all can without it. */
  readonly canCancel?: (task: ITaskView) => boolean;
  /** Show the cell of a task in the executed notebook; offered for a task that is a cell. */
  readonly showCell?: (cellId: string) => void;
  /** Have its run resumed from a task, or from the cell that it is. */
  readonly resume?: (task: ITaskView) => void;
  /** Tell whether it can be resumed from there now. */
  readonly canResume?: (task: ITaskView) => boolean;
  /** Have its run resumed from all runs of the task of this name. */
  readonly resumeAll?: (name: string) => void;
}

/** What drawings need from where they are shown. */
export interface IDrawingOptions {
  readonly texts: ITexts;
  readonly clock: Clock;
  readonly actions: ITaskActions;
  /** BCP 47 language tag of times; undefined for the browser's. */
  readonly locale?: string;
}

let lastId = 0;

/** Draws one task. `update` changes only what differs, so the focus and an open trace stay. */
export class TaskLine {
  /** @param isPart - whether it is part of the drawing of a run, which says itself what becomes of the run */
  constructor(output: ITaskOutput, options: IDrawingOptions, isPart = false) {
    this._options = options;
    this._output = output;
    const { texts } = options;
    const id = `orc-facts-${++lastId}`;
    this._facts = html('div', { class: 'orc-facts', id, hidden: true });
    this._toggle = html('button', {
      type: 'button',
      class: 'orc-toggle',
      'aria-expanded': 'false',
      'aria-controls': id
    });
    this._toggle.append(html('span', { class: 'orc-caret', 'aria-hidden': 'true' }), this._state);
    this._actions.append(this._cell, this._logs, this._resume, this._cancel);
    this._line.append(
      this._toggle,
      this._name,
      this._time,
      this._error,
      this._where,
      this._attempt,
      this._worker,
      this._message,
      this._actions
    );
    this.node = html('div', { class: 'orc-task', role: 'group' }, this._line, this._facts);
    if (!isPart) {
      this.node.append(this._news);
    }
    this._line.addEventListener('click', event => this._onLineClick(event));
    showText(
      this._logs,
      options.actions.openLogs ? texts.__('Logs') : '',
      texts.__('Show the logs')
    );
    this.update(output);
  }

  /** What to put into the page. */
  readonly node: HTMLElement;

  /** Show a newer record. */
  update(output: ITaskOutput): void {
    const before = this._output;
    this._output = output;
    const { task, live } = output;
    const { texts, actions } = this._options;
    setAttributes(this.node, {
      'data-orchestra-task': task.name,
      'data-task-id': task.task_run_id,
      'data-state': task.state,
      'data-tone': stateLook(task.state).tone,
      'data-live': String(live && isLive(task.state)),
      'aria-label': texts.__('Task %1', task.name)
    });
    const isCell = actions.showCell !== undefined && task.cell_id !== null;
    showText(
      this._cell,
      isCell ? texts.__('Cell') : '',
      texts.__('Show the cell in the executed notebook')
    );
    const isOffered = actions.cancel !== undefined && (actions.canCancel?.(task) ?? true);
    const canCancel = live && isLive(task.state) && isOffered;
    showText(this._cancel, canCancel ? texts.__('Cancel') : '', texts.__('Cancel this task'));
    this._cancel.disabled = task.state === 'CANCELLING';
    const isResumable = actions.resume !== undefined && (actions.canResume?.(task) ?? false);
    showText(
      this._resume,
      isResumable ? texts.__('Resume from here…') : '',
      task.cell_id === null
        ? texts.__('Run this task and all that depends on it again')
        : texts.__('Run this cell and all below it again')
    );
    this._showWords();
    this._showFacts();
    if (before.live && isLive(before.task.state) && !isLive(task.state)) {
      this._news.textContent = texts.__('%1: %2', task.name, stateLook(task.state).word(texts));
    }
    this._followTime();
  }

  /** Stop the clock and leave the page. */
  dispose(): void {
    this._unfollow?.();
    this._unfollow = null;
    this.node.remove();
  }

  private _showWords(): void {
    const { task } = this._output;
    const words = this._words();
    const icon = stateLook(task.state).icon;
    if (this._state.firstElementChild?.getAttribute('data-icon') !== icon) {
      this._state.replaceChildren(stateIcon(icon), this._word);
    }
    showText(this._word, words.word);
    showText(this._name, task.name, task.name);
    showText(this._time, words.time);
    showText(this._error, words.error, words.error);
    showText(this._where, words.where);
    showText(this._attempt, words.attempt);
    showText(this._worker, words.worker);
    showText(this._message, words.message, words.message);
  }

  private _words(): ITaskWords {
    const { task, cluster, live } = this._output;
    const { clock, texts } = this._options;
    return taskWords(task, cluster, live, clock.now(), texts);
  }

  private _showFacts(): void {
    const { task } = this._output;
    const { texts, locale } = this._options;
    const facts = taskFacts(task, texts, locale);
    const shown = JSON.stringify([facts, task.error]);
    if (shown === this._shownFacts) {
      return;
    }
    this._shownFacts = shown;
    const list = html('dl', { class: 'orc-fact-list' });
    for (const [label, value] of facts) {
      list.append(html('dt', {}, label), html('dd', {}, value));
    }
    const trace = task.error?.traceback;
    this._facts.replaceChildren(...(trace ? [traceback(trace, texts)] : []), list);
  }

  private _onLineClick(event: MouseEvent): void {
    const isOwn = event.target instanceof Node && !this._actions.contains(event.target);
    // Who selects text in the line wants to copy it, not to open it.
    if (isOwn && (document.getSelection()?.isCollapsed ?? true)) {
      this._facts.hidden = !this._facts.hidden;
      setAttributes(this._toggle, { 'aria-expanded': String(!this._facts.hidden) });
    }
  }

  private _followTime(): void {
    const { task, live } = this._output;
    const moves = live && isLive(task.state);
    if (moves && this._unfollow === null) {
      this._unfollow = this._options.clock.follow(() => showText(this._time, this._words().time));
    } else if (!moves && this._unfollow !== null) {
      this._unfollow();
      this._unfollow = null;
    }
  }

  private _output: ITaskOutput;
  private readonly _options: IDrawingOptions;
  private _unfollow: (() => void) | null = null;
  private _shownFacts = '';
  private readonly _line = html('div', { class: 'orc-line' });
  private readonly _toggle: HTMLButtonElement;
  private readonly _state = html('span', { class: 'orc-state' });
  private readonly _word = html('span', { class: 'orc-word' });
  private readonly _name = html('span', { class: 'orc-name' });
  private readonly _time = html('span', { class: 'orc-time' });
  private readonly _error = html('span', { class: 'orc-error' });
  private readonly _where = html('span', { class: 'orc-where' });
  private readonly _attempt = html('span', { class: 'orc-detail' });
  private readonly _worker = html('span', { class: 'orc-detail' });
  private readonly _message = html('span', { class: 'orc-message' });
  private readonly _actions = html('span', { class: 'orc-actions' });
  private readonly _logs = button('', '', () =>
    this._options.actions.openLogs?.(this._output.task)
  );
  private readonly _resume = button('', '', () =>
    this._options.actions.resume?.(this._output.task)
  );
  private readonly _cell = button('', '', () => {
    const { cell_id } = this._output.task;
    if (cell_id !== null) {
      this._options.actions.showCell?.(cell_id);
    }
  });
  private readonly _cancel = button('', '', () =>
    this._options.actions.cancel?.(this._output.task)
  );
  private readonly _facts: HTMLElement;
  private readonly _news = html('span', { class: 'orc-sr-only', role: 'status' });
}

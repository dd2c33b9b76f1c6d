/** A run in the output of a cell: its head, its graph, and tabs that are read when they are opened. */

import { button, html, setAttributes, showText } from '../drawing/elements';
import { PlanTable } from '../drawing/planTable';
import { RunGraph } from '../drawing/runGraph';
import { isLive } from '../drawing/states';
import type { IDrawingOptions } from '../drawing/taskLine';
import { TaskTable } from '../drawing/taskTable';
import type { IAttempt } from '../drawing/timeSpans';
import { Timeline } from '../drawing/timeline';
import { LogLines } from '../logLines';
import { ValuesView } from '../pages/run/valuesView';
import { Tabs } from '../pages/tabs';
import type { IFlowOutput, ITaskView } from '../schemas';
import { InlineHead } from './inlineHead';
import {
  countsOf,
  hasFailed,
  headRunId,
  isPlan,
  messageWords,
  omittedCount,
  runIdsOf
} from './runParts';
import type { IInlineOptions } from './runSource';

/** Nothing but the head is shown of what has run for less: most of it ends before anybody could look. */
const QUIET_MILLISECONDS = 1000;

/** What a tab shows. */
interface IView {
  readonly node: HTMLElement;
  update(output: IFlowOutput): void;
  dispose(): void;
}

/**
 * Draws a flow's output. `update` keeps the focus, the tab, what is chosen and the scroll positions.
 *
 * While it runs, and when it ended badly, the tabs are there; of a run that ended well only the graph is, until somebody
 * asks for more.
 */
export class InlineRun {
  constructor(output: IFlowOutput, options: IInlineOptions) {
    this._options = options;
    this._output = output;
    const { texts } = options;
    this._details = button(texts.__('Details'), texts.__('Show or hide the tabs'), () =>
      this._onDetails()
    );
    this._head = new InlineHead(options, this._details);
    this._drawing = { ...options, actions: { ...options.actions, ...this._logsAction() } };
    this._tabs = this._makeTabs();
    this._empty.textContent = texts.__(
      'No tasks yet. Put %1 on the first line of a cell and run it.',
      '%%task NAME'
    );
    this.node = html('section', { class: 'orc-flow orc-inline' });
    this.node.append(this._head.node, this._message, this._empty, this._tabs.node, this._left);
    this.update(output);
  }

  /** What to put into the page. */
  readonly node: HTMLElement;

  /** Show newer records. */
  update(output: IFlowOutput): void {
    this._output = output;
    const { run, live } = output;
    const { texts } = this._options;
    setAttributes(this.node, {
      'data-orchestra-flow': run?.flow_name ?? '',
      'data-state': run?.state ?? null,
      'data-live': String(live),
      'aria-label': texts.__('Flow %1', run?.flow_name || texts.__('This notebook'))
    });
    this._head.update(output, this._expected);
    showText(this._message, messageWords(output, texts), run?.message ?? null);
    this._readExpected();
    this._showBody();
    this._followTime();
  }

  /** Stop the clock and leave the page. */
  dispose(): void {
    this._isDisposed = true;
    this._unfollow?.();
    this._unfollow = null;
    this._views.forEach(view => view.dispose());
    this.node.remove();
  }

  private _makeTabs(): Tabs {
    const { texts } = this._options;
    const tabs = [
      { key: 'graph', label: texts.__('Graph') },
      { key: 'timeline', label: texts.__('Timeline') },
      { key: 'tasks', label: texts.__('Tasks') },
      { key: 'logs', label: texts.__('Logs') },
      { key: 'results', label: texts.__('Results') }
    ];
    return new Tabs(tabs, texts.__('What this run did'), (key, panel) => this._onTab(key, panel));
  }

  private _showBody(): void {
    const { tasks, live } = this._output;
    const { texts } = this._options;
    const omitted = omittedCount(this._output);
    const canAsk = this._options.source !== null && headRunId(this._output) !== null;
    const isOfPlan = isPlan(this._output);
    const isEmpty = tasks.length === 0;
    const isCalm = !live && !hasFailed(this._output);
    this._wasShown = this._wasShown || !this._isEarly();
    // the function of a flow needs none
    this._empty.hidden = !isEmpty || this._output.run?.kind === 'flow';
    this._tabs.node.hidden = isEmpty || !this._wasShown;
    this._details.hidden = this._tabs.node.hidden || !isCalm;
    this._tabs.setHidden('timeline', isOfPlan);
    this._tabs.setHidden('logs', isOfPlan || !canAsk);
    this._tabs.setHidden('results', isOfPlan || !canAsk);
    const hasTabs = !isCalm || this._isOpen;
    setAttributes(this._details, { 'aria-expanded': String(hasTabs) });
    setAttributes(this._tabs.node, { 'data-folded': String(!hasTabs) });
    const kept = texts.__(
      '%1 of %2 tasks are written out here, those that failed before others. All are counted.',
      tasks.length,
      tasks.length + omitted
    );
    showText(this._left, omitted === 0 || this._tabs.node.hidden ? '' : kept);
    if (this._tabs.node.hidden) {
      return;
    }
    if (!this._tabs.has(this._tabs.chosen)) {
      this._chooseGraph();
    } else {
      this._views.get(this._tabs.chosen)?.update(this._output);
    }
  }

  /** Whether it has just begun. */
  private _isEarly(): boolean {
    const { run, tasks, live } = this._output;
    const begun = Date.parse((run ?? tasks.at(0))?.created_at ?? '');
    return live && this._options.clock.now() - begun < QUIET_MILLISECONDS;
  }

  private _chooseGraph(): void {
    this._isChoosing = true;
    this._tabs.choose('graph');
    this._isChoosing = false;
  }

  private _onDetails(): void {
    this._isOpen = !this._isOpen;
    if (!this._isOpen) {
      this._chooseGraph();
    }
    this._showBody();
  }

  private _onTab(key: string, panel: HTMLElement): void {
    this._isOpen = this._isOpen || !this._isChoosing;
    let view = this._views.get(key);
    if (view === undefined) {
      view = this._makeView(key);
      this._views.set(key, view);
      panel.append(view.node);
    }
    view.update(this._output);
  }

  private _makeView(key: string): IView {
    switch (key) {
      case 'timeline':
        return this._makeTimeline();
      case 'tasks':
        return isPlan(this._output) ? this._makePlanTable() : this._makeTaskTable();
      case 'logs':
        return this._makeLogs();
      case 'results':
        return this._makeValues();
      default: {
        const graph = new RunGraph(this._drawing);
        return viewOf(graph, ({ tasks, live, omitted }) => graph.update(tasks, live, omitted));
      }
    }
  }

  private _makeTaskTable(): IView {
    const table = new TaskTable(this._drawing);
    return viewOf(table, ({ tasks, live }) => table.update(tasks, live));
  }

  private _makePlanTable(): IView {
    const table = new PlanTable(this._drawing);
    return { node: table.node, update: output => table.update(output), dispose: () => undefined };
  }

  private _makeTimeline(): IView {
    const timeline = new Timeline(this._drawing);
    return viewOf(timeline, output => {
      timeline.update(output.tasks, this._attempts, output.live);
      this._readAttempts();
    });
  }

  private _makeLogs(): IView {
    const { source, texts, locale } = this._options;
    if (source === null) {
      throw new Error('Nobody can be asked for log lines.');
    }
    const lines = source.logs(() => runIdsOf(this._output));
    this._logs = new LogLines({ source: lines, texts, locale });
    const logs = this._logs;
    return viewOf(logs, ({ live }) => {
      if (!live) {
        logs.refresh(); // the last lines are stored with the end
      }
    });
  }

  private _makeValues(): IView {
    const { source, texts } = this._options;
    if (source === null) {
      throw new Error('Nobody can be asked for results.');
    }
    const readValues = async (): ReturnType<typeof source.readValues> => {
      const lists = runIdsOf(this._output).map(runId => source.readValues(runId));
      return (await Promise.all(lists)).flat();
    };
    const values = new ValuesView({ texts, readValues });
    return viewOf(values, output => {
      const done = [...countsOf(output)].reduce(
        (sum, [state, n]) => sum + (isLive(state) ? 0 : n),
        0
      );
      const { run } = output;
      // older notebooks tell no kind; and what a called flow returns is the value of its cell
      const isInteractive = run === null || ['', 'interactive', 'flow'].includes(run.kind);
      values.update(headRunId(output), `${run?.epoch} ${run?.state} ${done}`, isInteractive);
    });
  }

  /** What shows a task's log lines is the tab beside, where there is one. */
  private _logsAction(): Pick<IInlineOptions['actions'], 'openLogs'> {
    const openLogs = (task: ITaskView): void => {
      this._tabs.choose('logs');
      this._showBody();
      this._logs?.showTask(task.task_run_id);
      this._logs?.focus();
    };
    return this._options.source === null ? {} : { openLogs };
  }

  /** Of the cells of an open notebook, which are run now these and now those, nothing can be expected. */
  private _readExpected(): void {
    const { run, live } = this._output;
    const isWanted = live && run !== null && run.kind !== '' && run.kind !== 'interactive';
    if (!isWanted || this._options.source === null || run.flow_name === this._expectedOf) {
      return;
    }
    this._expectedOf = run.flow_name;
    this._options.source
      .readExpectedSeconds(run)
      .then(seconds => {
        this._expected = seconds;
        this._head.update(this._output, seconds);
      })
      .catch(() => undefined); // a convenience: the view is as good without it
  }

  /** Read the attempts anew when one has begun or ended since they were read. */
  private _readAttempts(): void {
    const retried = this._output.tasks.filter(task => task.attempt > 1);
    const wanted = retried.map(task => `${task.task_run_id} ${task.attempt} ${task.state}`).join();
    const { source } = this._options;
    if (source === null || wanted === this._attemptsOf) {
      return;
    }
    this._attemptsOf = wanted;
    const runIds = [...new Set(retried.map(task => task.run_id))];
    Promise.all(runIds.map(runId => source.readAttempts(runId)))
      .then(lists => {
        const found = new Map<string, IAttempt[]>();
        for (const attempt of lists.flat()) {
          const of = found.get(attempt.task_run_id) ?? [];
          found.set(attempt.task_run_id, [...of, attempt]);
        }
        this._attempts = found;
        if (!this._isDisposed) {
          this._views.get('timeline')?.update(this._output);
        }
      })
      .catch(() => undefined); // the next change asks again; until then each task is one bar
  }

  private _followTime(): void {
    if (this._output.live && this._unfollow === null) {
      this._unfollow = this._options.clock.follow(() => {
        this._head.showTime();
        if (!this._wasShown) {
          this._showBody();
        }
      });
    } else if (!this._output.live) {
      this._unfollow?.();
      this._unfollow = null;
    }
  }

  private _output: IFlowOutput;
  private readonly _options: IInlineOptions;
  private readonly _drawing: IDrawingOptions;
  private readonly _head: InlineHead;
  private readonly _details: HTMLButtonElement;
  private readonly _tabs: Tabs;
  private readonly _views = new Map<string, IView>();
  private _logs: LogLines | null = null;
  private _expected: number | null = null;
  private _expectedOf = '';
  private _attempts: ReadonlyMap<string, readonly IAttempt[]> = new Map();
  private _attemptsOf = '';
  private _wasShown = false;
  /** Whether the reader wants the tabs. */
  private _isOpen = false;
  private _isChoosing = false;
  private _isDisposed = false;
  private _unfollow: (() => void) | null = null;
  private readonly _message = html('p', { class: 'orc-flow-message' });
  private readonly _empty = html('p', { class: 'orc-empty' });
  private readonly _left = html('p', { class: 'orc-detail orc-flow-left' });
}

function viewOf(
  drawing: { readonly node: HTMLElement; dispose(): void },
  update: IView['update']
): IView {
  return { node: drawing.node, update, dispose: () => drawing.dispose() };
}

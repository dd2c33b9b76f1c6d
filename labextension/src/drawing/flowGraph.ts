/** A flow as a graph of its tasks with live states, the same as a table, and the line of the chosen task below. */

import type { IFlowOutput, ITaskView } from '../schemas';
import { formatDuration, formatElapsed, secondsRun } from './durations';
import { button, html, setAttributes, showText, svg } from './elements';
import { layOut } from './flowLayout';
import type { IFlowLayout, IPoint, IRoute } from './flowLayout';
import { FlowTable } from './flowTable';
import { stateIcon } from './icons';
import { isFailure, isLive, stateLook } from './states';
import { TaskLine } from './taskLine';
import type { IDrawingOptions } from './taskLine';
import { errorWords, stateWord, timeWords } from './taskWords';

const SIZES = { nodeHeight: 44, layerGap: 40, rowGap: 12 };

/** Where nothing was run a box has the name alone, and more of the graph is seen at once. */
const PLAN_SIZES = { nodeHeight: 30, layerGap: 36, rowGap: 10 };

/** Boxes are as wide as the longest name needs, within these bounds. */
const NODE_WIDTHS = { least: 192, most: 208, letter: 7.5, rest: 46 };
const PLAN_WIDTHS = { least: 88, most: 208, letter: 8.6, rest: 32 };

/** Space around the boxes of a graph, in pixels. */
export const MARGIN = 6;

/** The state of a flow whose graph was drawn without running it. */
const NOT_RUN = 'NOT_RUN';

interface INode {
  readonly item: HTMLElement;
  readonly box: HTMLButtonElement;
  readonly icon: HTMLElement;
  readonly name: HTMLElement;
  readonly words: HTMLElement;
}

/** Draws a flow. `update` keeps the focus, the chosen task and the scroll position. */
export class FlowGraph {
  constructor(output: IFlowOutput, options: IDrawingOptions) {
    this._options = options;
    this._output = output;
    const { texts } = options;
    this._table = new FlowTable(options, task => this._choose(task.task_run_id));
    this._asGraph = button(texts.__('Graph'), texts.__('Show the tasks as a graph'), () =>
      this._showAs('graph')
    );
    this._asTable = button(texts.__('Table'), texts.__('Show the tasks as a table'), () =>
      this._showAs('table')
    );
    this._open = button(texts.__('Open'), texts.__('Open the page of this run'), () =>
      this._options.actions.openRun?.(this._output.run?.run_id ?? '')
    );
    const views = html('span', { class: 'orc-actions' }, this._open, this._asGraph, this._asTable);
    this._head.append(this._state, this._name, this._runName, this._time, this._count, views);
    this._scroll.append(html('div', { class: 'orc-canvas' }, this._edges, this._list));
    this.node = html(
      'section',
      { class: 'orc-flow' },
      this._head,
      this._message,
      this._empty,
      this._scroll,
      this._table.node,
      this._chosen
    );
    this._empty.textContent = texts.__(
      'No tasks yet. Put %1 on the first line of a cell and run it.',
      '%%task NAME'
    );
    this._list.addEventListener('keydown', event => this._onKey(event));
    this.update(output);
    this._showAs('graph');
  }

  /** What to put into the page. */
  readonly node: HTMLElement;

  /** Show newer records. */
  update(output: IFlowOutput): void {
    this._output = output;
    this._tasks = new Map(output.tasks.map(task => [task.task_run_id, task]));
    const shape = JSON.stringify([[...this._tasks.keys()], output.edges]);
    if (shape !== this._shape) {
      this._shape = shape;
      this._build();
    }
    this._showHead();
    this._table.update(output);
    output.tasks.forEach(task => this._showNode(task));
    this._showEdges();
    const failed = output.tasks.find(
      task => isFailure(task.state) && task.state !== 'UPSTREAM_FAILED'
    );
    if (this._choice === null && failed !== undefined) {
      this._choice = failed.task_run_id;
    }
    this._showChosen();
    this._followTime();
  }

  /** Stop the clock and leave the page. */
  dispose(): void {
    this._unfollow?.();
    this._unfollow = null;
    this._line?.dispose();
    this.node.remove();
  }

  /** Whether the graph is that of a flow that was not run. */
  private get _isPlan(): boolean {
    return this._output.run?.state === NOT_RUN;
  }

  private _build(): void {
    const focused = [...this._nodes].find(([, node]) => node.box === document.activeElement)?.[0];
    const sizes = this._isPlan ? PLAN_SIZES : SIZES;
    this._nodeWidth = nodeWidth(this._output.tasks, this._isPlan ? PLAN_WIDTHS : NODE_WIDTHS);
    this._nodeHeight = sizes.nodeHeight;
    this._layout = layOut([...this._tasks.keys()], this._output.edges, {
      ...sizes,
      nodeWidth: this._nodeWidth
    });
    const { width, height, routes } = this._layout;
    const size = { width: width + 2 * MARGIN, height: height + 2 * MARGIN };
    setAttributes(this._edges, { ...size, viewBox: `0 0 ${size.width} ${size.height}` });
    setAttributes(this._list, { style: `width:${size.width}px;height:${size.height}px` });
    this._edges.replaceChildren(
      ...routes.map(route =>
        svg('path', { class: 'orc-edge', 'data-to': route.to, d: curve(route) })
      )
    );
    this._nodes.clear();
    this._list.replaceChildren(...[...this._tasks.keys()].map(id => this._makeNode(id)));
    this._nodes.get(focused ?? '')?.box.focus({ preventScroll: true });
  }

  private _makeNode(id: string): HTMLElement {
    const icon = html('span', { class: 'orc-state' });
    const name = html('span', { class: 'orc-node-name' });
    const words = html('span', { class: 'orc-node-words' });
    const box = html('button', { type: 'button', class: 'orc-node-box' }, icon, name, words);
    const place = this._layout.nodes.get(id) ?? { x: 0, y: 0 };
    const item = html('li', {
      class: 'orc-node',
      style: `left:${place.x + MARGIN}px;top:${place.y + MARGIN}px;width:${this._nodeWidth}px;height:${this._nodeHeight}px`
    });
    item.append(box);
    box.addEventListener('click', () => this._choose(id));
    this._nodes.set(id, { item, box, icon, name, words });
    return item;
  }

  private _showHead(): void {
    const { run, tasks, live } = this._output;
    const { texts } = this._options;
    const done = tasks.filter(task => !isLive(task.state)).length;
    const failed = tasks.filter(task => isFailure(task.state)).length;
    const name = run?.flow_name || texts.__('This notebook');
    setAttributes(this.node, {
      'data-orchestra-flow': run?.flow_name ?? '',
      'data-state': run?.state ?? null,
      'data-live': String(live),
      'aria-label': texts.__('Flow %1', name)
    });
    if (run === null) {
      this._state.replaceChildren();
    } else if (this._state.getAttribute('data-state') !== `${run.state} ${live}`) {
      const look = stateLook(run.state);
      const word = html('span', { class: 'orc-word' }, stateWord(run.state, live, texts));
      this._state.replaceChildren(stateIcon(look.icon), word);
      setAttributes(this._state, { 'data-tone': look.tone, 'data-state': `${run.state} ${live}` });
    }
    showText(this._name, name, name);
    showText(this._runName, run?.name ? texts.__('run %1', run.name) : '');
    const counted = this._isPlan
      ? texts._n('%1 task', '%1 tasks', tasks.length)
      : texts._n('%2 of %1 task', '%2 of %1 tasks', tasks.length, done);
    const ends = failed === 0 ? counted : texts.__('%1, %2 failed', counted, failed);
    showText(this._count, tasks.length === 0 ? '' : ends);
    showText(this._message, run?.message ?? '');
    this._open.hidden = run === null || this._isPlan || this._options.actions.openRun === undefined;
    this._showRunTime();
  }

  private _showRunTime(): void {
    const { run, live } = this._output;
    const seconds = run && secondsRun(run, this._options.clock.now());
    const goesOn = run !== null && isLive(run.state);
    const format = goesOn ? formatElapsed : formatDuration;
    showText(this._time, seconds === null || (goesOn && !live) ? '' : format(seconds));
  }

  private _showNode(task: ITaskView): void {
    const node = this._nodes.get(task.task_run_id);
    if (node === undefined) {
      return;
    }
    const { live } = this._output;
    const { texts, clock } = this._options;
    const look = stateLook(task.state);
    const isFirst = this._output.tasks[0] === task;
    const time = timeWords(task, live, clock.now(), texts);
    const word = stateWord(task.state, live, texts);
    const words = [word, time].filter(Boolean).join(' · ');
    const names = task.upstream.map(id => this._tasks.get(id)?.name).filter(Boolean);
    const after = names.length > 0 ? texts.__('after %1', names.join(', ')) : '';
    const error = isFailure(task.state) ? errorWords(task) : '';
    setAttributes(node.item, {
      'data-orchestra-task': task.name,
      'data-task-id': task.task_run_id,
      'data-state': task.state,
      'data-tone': look.tone
    });
    if (node.icon.firstElementChild?.getAttribute('data-icon') !== look.icon) {
      node.icon.replaceChildren(stateIcon(look.icon));
    }
    showText(node.name, task.name);
    // Of a plan the head says it for all.
    showText(node.words, this._isPlan ? '' : words);
    const isEntry = this._choice === task.task_run_id || (this._choice === null && isFirst);
    setAttributes(node.box, {
      title: [task.name, words, error].filter(Boolean).join('\n'),
      'aria-label': [task.name, word, time, error, after].filter(Boolean).join(', '),
      'aria-pressed': String(this._choice === task.task_run_id),
      tabindex: isEntry ? 0 : -1
    });
  }

  /** Edges into what runs or has failed stand out, the rest is calm. */
  private _showEdges(): void {
    for (const edge of this._edges.children) {
      const task = this._tasks.get(edge.getAttribute('data-to') ?? '');
      const tone = task === undefined ? null : stateLook(task.state).tone;
      setAttributes(edge, { 'data-tone': tone === 'running' || tone === 'failed' ? tone : null });
    }
  }

  private _choose(id: string): void {
    this._choice = this._choice === id ? '' : id;
    this._output.tasks.forEach(task => this._showNode(task));
    this._showChosen();
  }

  private _showChosen(): void {
    const task = this._tasks.get(this._choice ?? '');
    this._table.mark(task?.task_run_id ?? null);
    if (task === undefined) {
      this._line?.dispose();
      this._line = null;
      return;
    }
    const output = { view: 'task', task, cluster: '', live: this._output.live } as const;
    if (this._line === null) {
      this._line = new TaskLine(output, this._options);
      this._chosen.append(this._line.node);
    } else {
      this._line.update(output);
    }
  }

  private _showAs(view: 'graph' | 'table'): void {
    const isEmpty = this._tasks.size === 0;
    this._view = view;
    this._empty.hidden = !isEmpty;
    this._scroll.hidden = isEmpty || view !== 'graph';
    this._table.node.hidden = isEmpty || view !== 'table';
    setAttributes(this._asGraph, { 'aria-pressed': String(view === 'graph') });
    setAttributes(this._asTable, { 'aria-pressed': String(view === 'table') });
  }

  private _onKey(event: KeyboardEvent): void {
    const id = [...this._nodes].find(([, node]) => node.box === event.target)?.[0];
    const direction = DIRECTIONS[event.key];
    if (id === undefined || direction === undefined) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const next = nearest(this._layout.nodes, id, direction);
    if (next !== null) {
      this._nodes.forEach((node, key) =>
        setAttributes(node.box, { tabindex: key === next ? 0 : -1 })
      );
      this._nodes.get(next)?.box.focus();
    }
  }

  private _followTime(): void {
    const { run, tasks, live } = this._output;
    const moves = live && [...tasks, ...(run ? [run] : [])].some(record => isLive(record.state));
    if (moves && this._unfollow === null) {
      this._unfollow = this._options.clock.follow(() => {
        this._showRunTime();
        this._output.tasks.filter(task => isLive(task.state)).forEach(task => this._showNode(task));
        this._table.update(this._output);
      });
    } else if (!moves && this._unfollow !== null) {
      this._unfollow();
      this._unfollow = null;
    }
    // The first tasks may come after the first drawing.
    this._showAs(this._view);
  }

  private _output: IFlowOutput;
  private readonly _options: IDrawingOptions;
  private _tasks: ReadonlyMap<string, ITaskView> = new Map();
  private _shape = '';
  private _layout: IFlowLayout = { nodes: new Map(), routes: [], width: 0, height: 0 };
  private _nodeWidth = NODE_WIDTHS.least;
  private _nodeHeight = SIZES.nodeHeight;
  private _view: 'graph' | 'table' = 'graph';
  /** Id of the chosen task; null before the first choice, empty when the reader chose none. */
  private _choice: string | null = null;
  private _line: TaskLine | null = null;
  private _unfollow: (() => void) | null = null;
  private readonly _nodes = new Map<string, INode>();
  private readonly _table: FlowTable;
  private readonly _open: HTMLButtonElement;
  private readonly _asGraph: HTMLButtonElement;
  private readonly _asTable: HTMLButtonElement;
  private readonly _head = html('div', { class: 'orc-line orc-flow-head' });
  private readonly _state = html('span', { class: 'orc-state' });
  private readonly _name = html('span', { class: 'orc-name' });
  private readonly _runName = html('span', { class: 'orc-detail' });
  private readonly _time = html('span', { class: 'orc-time' });
  private readonly _count = html('span', { class: 'orc-detail' });
  private readonly _message = html('p', { class: 'orc-flow-message' });
  private readonly _empty = html('p', { class: 'orc-empty' });
  private readonly _scroll = html('div', { class: 'orc-graph' });
  private readonly _edges = svg('svg', { class: 'orc-edges', 'aria-hidden': 'true' });
  private readonly _list = html('ul', { class: 'orc-nodes' });
  private readonly _chosen = html('div', { class: 'orc-chosen' });
}

/** Key to the direction that it leads to. */
export const DIRECTIONS: Readonly<Record<string, IPoint | undefined>> = {
  ArrowRight: { x: 1, y: 0 },
  ArrowLeft: { x: -1, y: 0 },
  ArrowDown: { x: 0, y: 1 },
  ArrowUp: { x: 0, y: -1 }
};

function nodeWidth(tasks: readonly ITaskView[], widths: typeof NODE_WIDTHS): number {
  const { least, most, letter, rest } = widths;
  const longest = Math.max(0, ...tasks.map(task => task.name.length));
  return Math.round(Math.min(most, Math.max(least, longest * letter + rest)));
}

/** Give the node that a reader expects: up and down in the same column, to the sides what lies aside counts thrice. */
export function nearest(
  nodes: ReadonlyMap<string, IPoint>,
  from: string,
  direction: IPoint
): string | null {
  const start = nodes.get(from) ?? { x: 0, y: 0 };
  let best: string | null = null;
  let least = Infinity;
  for (const [id, place] of nodes) {
    const dx = place.x - start.x;
    const dy = place.y - start.y;
    const along = dx * direction.x + dy * direction.y;
    const aside = Math.abs(dx * direction.y) + Math.abs(dy * direction.x);
    const isInSight = direction.y === 0 || dx === 0;
    if (isInSight && along > 0 && along + 3 * aside < least) {
      best = id;
      least = along + 3 * aside;
    }
  }
  return best;
}

/** Draw a route as one smooth path that leaves and enters boxes horizontally. */
export function curve(route: IRoute): string {
  const points = route.points.map(point => ({ x: point.x + MARGIN, y: point.y + MARGIN }));
  const parts = [`M${points[0].x} ${points[0].y}`];
  for (let index = 1; index < points.length; index++) {
    const [before, after] = [points[index - 1], points[index]];
    const middle = (before.x + after.x) / 2;
    parts.push(`C${middle} ${before.y} ${middle} ${after.y} ${after.x} ${after.y}`);
  }
  return parts.join('');
}

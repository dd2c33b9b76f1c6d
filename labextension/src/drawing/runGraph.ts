/** The tasks of a run as a graph with live states; a mapped task is one box with a bar, which opens into squares. */

import { NO_OMITTED } from '../schemas';
import type { ITaskView, OmittedTasks } from '../schemas';
import { ChosenTask } from './chosenTask';
import { html, setAttributes, showText, svg } from './elements';
import { layOut } from './flowLayout';
import type { IFlowLayout, ILayoutSizes } from './flowLayout';
import { DIRECTIONS, MARGIN, curve, nearest } from './graphPaths';
import { stateIcon } from './icons';
import { countWords, showStateBar } from './stateBar';
import { StateGrid } from './stateGrid';
import { isFailure, isLive, stateLook } from './states';
import {
  NOT_RUN,
  countStates,
  firstFailure,
  groupSize,
  groupState,
  groupTasks
} from './taskGroups';
import type { ITaskGroup } from './taskGroups';
import type { IDrawingOptions } from './taskLine';
import { errorWords, stateWord, timeWords } from './taskWords';

const SIZES = { nodeHeight: 48, layerGap: 40, rowGap: 12, nodeWidth: 208 };

/** Where nothing was run a box has the name alone, and more of the graph is seen at once. */
const PLAN_SIZES = { nodeHeight: 30, layerGap: 36, rowGap: 10 };

/** The boxes of a plan are as wide as the longest name needs, within these bounds. */
const PLAN_WIDTHS = { least: 88, most: 208, letter: 8.6, rest: 32 };

interface INode {
  readonly item: HTMLElement;
  readonly box: HTMLButtonElement;
  readonly icon: HTMLElement;
  readonly name: HTMLElement;
  readonly words: HTMLElement;
  readonly bar: HTMLElement;
}

/** Draws the graph; `update` keeps the focus, what is chosen and the scroll position. */
export class RunGraph {
  constructor(private readonly _options: IDrawingOptions) {
    const { texts } = _options;
    this._list.setAttribute('aria-label', texts.__('Tasks in their order'));
    this._scroll.append(html('div', { class: 'orc-canvas' }, this._edges, this._list));
    this._chosen = new ChosenTask(_options);
    this.node.append(this._scroll, this._whole, this._chosen.node);
    this._list.addEventListener('keydown', event => this._onKey(event));
    this._whole.addEventListener('click', () => _options.actions.resumeAll?.(this._wholeName));
  }

  readonly node = html('div', { class: 'orc-run-graph' });

  /** Show newer records. */
  update(tasks: readonly ITaskView[], live: boolean, omitted: OmittedTasks = NO_OMITTED): void {
    this._tasks = tasks;
    this._live = live;
    const { groups, edges } = groupTasks(tasks, omitted);
    this._groups = new Map(groups.map(group => [group.id, group]));
    this._names = new Map(groups.map(group => [group.id, group.name]));
    this._before = new Map();
    for (const [from, to] of edges) {
      this._before.set(to, [...(this._before.get(to) ?? []), from]);
    }
    const shape = JSON.stringify([[...this._groups.keys()], edges, this._isPlan]);
    if (shape !== this._shape) {
      this._shape = shape;
      this._build(edges);
    }
    if (this._choice === null) {
      this._chooseFailure();
    }
    groups.forEach(group => this._showNode(group));
    this._showEdges();
    this._showChosen();
    this._followTime();
  }

  dispose(): void {
    this._unfollow?.();
    this._unfollow = null;
    this._chosen.dispose();
    this._grid?.dispose();
    this.node.remove();
  }

  /** Whether the graph is that of a flow that was not run. */
  private get _isPlan(): boolean {
    return this._tasks.length > 0 && this._tasks.every(task => task.state === NOT_RUN);
  }

  private _chooseFailure(): void {
    const failed = firstFailure(this._tasks);
    if (failed !== undefined) {
      const group = [...this._groups.values()].find(({ tasks }) => tasks.includes(failed));
      this._choice = group?.id ?? null;
      this._choiceInGroup = failed.task_run_id;
    }
  }

  private _build(edges: readonly (readonly [string, string])[]): void {
    const focus = (this.node.getRootNode() as Document | ShadowRoot).activeElement;
    const focused = [...this._nodes].find(([, node]) => node.box === focus)?.[0];
    this._sizes = this._isPlan ? planSizes(this._groups.values()) : SIZES;
    this._layout = layOut([...this._groups.keys()], edges, this._sizes);
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
    this._list.replaceChildren(...[...this._groups.keys()].map(id => this._makeNode(id)));
    this._nodes.get(focused ?? '')?.box.focus({ preventScroll: true });
  }

  private _makeNode(id: string): HTMLElement {
    const icon = html('span', { class: 'orc-state' });
    const name = html('span', { class: 'orc-node-name' });
    const words = html('span', { class: 'orc-node-words' });
    const bar = html('span');
    const box = html('button', { type: 'button', class: 'orc-node-box' });
    box.append(icon, name, ' ', words, bar); // the blank parts the words for those who hear them
    const place = this._layout.nodes.get(id) ?? { x: 0, y: 0 };
    const item = html('li', {
      class: 'orc-node',
      style: `left:${place.x + MARGIN}px;top:${place.y + MARGIN}px;width:${this._sizes.nodeWidth}px;height:${this._sizes.nodeHeight}px`
    });
    item.append(box);
    box.addEventListener('click', () => this._onNode(id));
    this._nodes.set(id, { item, box, icon, name, words, bar });
    return item;
  }

  private _onNode(id: string): void {
    this._choice = this._choice === id ? '' : id;
    this._choiceInGroup = null;
    this._groups.forEach(group => this._showNode(group));
    this._showChosen();
  }

  private _showNode(group: ITaskGroup): void {
    const node = this._nodes.get(group.id);
    if (node === undefined) {
      return;
    }
    const { texts, clock } = this._options;
    const [first] = group.tasks;
    const size = groupSize(group);
    const isMapped = size > 1;
    const counts = countStates(group.tasks, group.omitted);
    const state = groupState(counts);
    const look = stateLook(state);
    const name = isMapped ? `${group.name} ×${size}` : group.name;
    // what is expected has no room in the box: it is heard and in the tip, and in the line below once chosen
    const wordsOf = (expected: number | null): string =>
      isMapped
        ? countWords(counts, texts)
        : [
            stateWord(state, this._live, texts),
            timeWords({ ...first, expected_seconds: expected }, this._live, clock.now(), texts)
          ]
            .filter(Boolean)
            .join(' · ');
    const [words, said] = [wordsOf(null), wordsOf(first.expected_seconds)];
    const error = !isMapped && isFailure(first.state) ? errorWords(first) : '';
    const before = (this._before.get(group.id) ?? []).map(id => this._names.get(id) ?? '');
    const after = before.length > 0 ? texts.__('after %1', before.join(', ')) : '';
    setAttributes(node.item, {
      'data-orchestra-task': group.name,
      'data-count': size,
      'data-state': state,
      'data-tone': look.tone
    });
    if (node.icon.firstElementChild?.getAttribute('data-icon') !== look.icon) {
      node.icon.replaceChildren(stateIcon(look.icon));
    }
    showText(node.name, name);
    // of a plan the head says it for all
    showText(node.words, this._isPlan ? '' : words);
    node.bar.hidden = !isMapped;
    if (isMapped) {
      showStateBar(node.bar, counts);
    }
    const isChosen = this._choice === group.id;
    const isEntry = isChosen || (!this._groups.has(this._choice ?? '') && this._isFirst(group));
    setAttributes(node.box, {
      title: [name, said, error].filter(Boolean).join('\n'),
      // what is seen is said as it stands, so that it can be spoken to
      'aria-label': [this._isPlan ? `${name}, ${said}` : `${name} ${said}`, error, after]
        .filter(Boolean)
        .join(', '),
      'aria-pressed': String(isChosen),
      tabindex: isEntry ? 0 : -1
    });
  }

  private _isFirst(group: ITaskGroup): boolean {
    return this._groups.keys().next().value === group.id;
  }

  /** Edges into what runs or has failed stand out, the rest is calm. */
  private _showEdges(): void {
    for (const edge of this._edges.children) {
      const item = this._nodes.get(edge.getAttribute('data-to') ?? '')?.item;
      const tone = item?.getAttribute('data-tone') ?? '';
      const stands = tone === 'running' || tone === 'failed';
      setAttributes(edge, { 'data-tone': stands ? tone : null });
    }
  }

  private _showChosen(): void {
    const group = this._groups.get(this._choice ?? '');
    const isMapped = group !== undefined && groupSize(group) > 1;
    if (!isMapped) {
      this._grid?.dispose();
      this._grid = null;
    } else {
      this._grid ??= this._makeGrid();
      this._grid.update(group.tasks, this._choiceInGroup);
    }
    this._showWhole(isMapped ? group : undefined);
    const wanted = isMapped ? this._choiceInGroup : group?.tasks[0].task_run_id;
    const task = group?.tasks.find(one => one.task_run_id === wanted);
    this._chosen.show(task, this._live);
  }

  /** Offer what can be done with all runs of a mapped task; undefined for none. */
  private _showWhole(group: ITaskGroup | undefined): void {
    const { texts, actions } = this._options;
    const { resumeAll, canResume } = actions;
    const isOffered = group !== undefined && resumeAll !== undefined && canResume?.(group.tasks[0]);
    const name = group?.name ?? '';
    showText(
      this._whole,
      isOffered ? texts.__('Resume from all runs of %1…', name) : '',
      texts.__('Run this task and all that depends on it again')
    );
    this._wholeName = name;
  }

  private _makeGrid(): StateGrid {
    const grid = new StateGrid(this._options, task => {
      this._choiceInGroup = task.task_run_id;
      this._showChosen();
    });
    this._chosen.node.prepend(grid.node);
    return grid;
  }

  private _onKey(event: KeyboardEvent): void {
    const direction = DIRECTIONS[event.key];
    const from = [...this._nodes].find(([, node]) => node.box === event.target)?.[0];
    if (direction === undefined || from === undefined) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const to = nearest(this._layout.nodes, from, direction);
    if (to !== null) {
      this._nodes.forEach(({ box }, id) => setAttributes(box, { tabindex: id === to ? 0 : -1 }));
      this._nodes.get(to)?.box.focus();
    }
  }

  private _followTime(): void {
    const moves = this._live && this._tasks.some(task => isLive(task.state));
    if (moves && this._unfollow === null) {
      this._unfollow = this._options.clock.follow(() => {
        for (const group of this._groups.values()) {
          if (groupSize(group) === 1 && isLive(group.tasks[0].state)) {
            this._showNode(group);
          }
        }
      });
    } else if (!moves && this._unfollow !== null) {
      this._unfollow();
      this._unfollow = null;
    }
  }

  private _tasks: readonly ITaskView[] = [];
  private _live = false;
  private _groups: ReadonlyMap<string, ITaskGroup> = new Map();
  private _names: ReadonlyMap<string, string> = new Map();
  private _before = new Map<string, string[]>();
  private _shape = '';
  private _sizes: ILayoutSizes = SIZES;
  private _layout: IFlowLayout = { nodes: new Map(), routes: [], width: 0, height: 0 };
  /** Id of the chosen group; null before the first choice, empty when the reader chose none. */
  private _choice: string | null = null;
  private _choiceInGroup: string | null = null;
  /** Name of the chosen mapped task. */
  private _wholeName = '';
  private _grid: StateGrid | null = null;
  private _unfollow: (() => void) | null = null;
  private readonly _nodes = new Map<string, INode>();
  private readonly _scroll = html('div', { class: 'orc-graph' });
  private readonly _whole = html('button', {
    type: 'button',
    class: 'orc-link orc-graph-whole',
    hidden: true
  });
  private readonly _edges = svg('svg', { class: 'orc-edges', 'aria-hidden': 'true' });
  private readonly _list = html('ul', { class: 'orc-nodes' });
  private readonly _chosen: ChosenTask;
}

function planSizes(groups: Iterable<ITaskGroup>): ILayoutSizes {
  const { least, most, letter, rest } = PLAN_WIDTHS;
  const longest = Math.max(0, ...[...groups].map(({ name }) => name.length));
  const width = Math.min(most, Math.max(least, longest * letter + rest));
  return { ...PLAN_SIZES, nodeWidth: Math.round(width) };
}

/** When each task waited and ran: a row a task, an attempt a bar, waits hatched; zoomed in time alone. */

import type { ITaskView } from '../schemas';
import { ChosenTask } from './chosenTask';
import { formatDuration, formatElapsed, formatMoment } from './durations';
import { button, html, setAttributes, showText } from './elements';
import { countWords } from './stateBar';
import { isLive, stateLook } from './states';
import { countStates, groupState, groupTasks, memberName } from './taskGroups';
import type { IDrawingOptions } from './taskLine';
import { attemptCount, errorWords, noTasksWords, stateWord } from './taskWords';
import { extentOf, groupSpans, markStep, timeSpans } from './timeSpans';
import type { IAttempt, ITimeSpan } from './timeSpans';
import { treeKey } from './treeKeys';
import { VirtualRows } from './virtualRows';

const ROW_HEIGHT = 28;
const USUAL_WIDTH = 640;
const LEAST_MARK_PIXELS = 72;
/** A bar is never thinner, so that what took no time is seen. */
const LEAST_BAR_PIXELS = 3;
/** Wider tracks are beyond what browsers draw well. */
const MOST_PIXELS = 400_000;
const ZOOM_STEP = 2;

interface IRowData {
  readonly key: string;
  readonly name: string;
  readonly tasks: readonly ITaskView[];
  readonly spans: readonly ITimeSpan[];
  /** Null for what cannot be opened. */
  readonly isOpen: boolean | null;
  readonly level: number;
}

/** Draws the timeline. */
export class Timeline {
  constructor(private readonly _options: IDrawingOptions) {
    const { texts } = _options;
    this._fit = button(texts.__('Fit'), texts.__('Show all of the time'), () => this._zoomTo(null));
    const bar = html(
      'div',
      { class: 'orc-timeline-bar' },
      html('span', { class: 'orc-detail' }, texts.__('Time')),
      signButton('−', texts.__('Show more time'), () => this._zoom(1 / ZOOM_STEP)),
      this._fit,
      signButton('+', texts.__('Show less time'), () => this._zoom(ZOOM_STEP)),
      html('span', { class: 'orc-legend orc-bar-wait', 'aria-hidden': 'true' }),
      html('span', { class: 'orc-detail' }, texts.__('waiting'))
    );
    setAttributes(this._scroll, {
      'aria-label': texts.__('Timeline; plus and minus zoom in time'),
      role: 'group',
      tabindex: 0
    });
    this._list.setAttribute('role', 'list');
    this._inner.append(
      html('div', { class: 'orc-timeline-head' }, this._corner, this._axis),
      this._list
    );
    this._scroll.append(this._inner);
    this._chosen = new ChosenTask(_options);
    this.node.append(bar, this._empty, this._scroll, this._chosen.node);
    this._rows = new VirtualRows(this._scroll, this._list, ROW_HEIGHT, (index, row) =>
      this._drawRow(this._data[index], row)
    );
    this._scroll.addEventListener('keydown', event => this._onKey(event));
    this._scroll.addEventListener('wheel', event => this._onWheel(event), { passive: false });
    this._resized?.observe(this._scroll);
  }

  readonly node = html('div', { class: 'orc-timeline' });

  /** Show newer records; `attempts` are by task run id. */
  update(
    tasks: readonly ITaskView[],
    attempts: ReadonlyMap<string, readonly IAttempt[]>,
    live: boolean
  ): void {
    this._tasks = tasks;
    this._attempts = attempts;
    this._live = live;
    this._draw();
    this._followTime();
  }

  dispose(): void {
    this._unfollow?.();
    this._resized?.disconnect();
    this._rows.dispose();
    this._chosen.dispose();
    this.node.remove();
  }

  private _draw(): void {
    const now = this._options.clock.now();
    const isEmpty = this._tasks.length === 0;
    showText(this._empty, isEmpty ? noTasksWords(this._live, this._options.texts) : '');
    this._scroll.hidden = isEmpty;
    const spansOf = new Map(
      this._tasks.map(task => [
        task.task_run_id,
        timeSpans(task, this._attempts.get(task.task_run_id) ?? [])
      ])
    );
    this._extent = extentOf(flat(spansOf.values()), now) ?? { from: now, to: now + 1000 };
    this._data = groupTasks(this._tasks).groups.flatMap(group => {
      const spans = [...flat(group.tasks.map(one => spansOf.get(one.task_run_id) ?? []))];
      const isMapped = group.tasks.length > 1;
      const isOpen = isMapped ? this._open.has(group.id) : null;
      const name = isMapped ? `${group.name} ×${group.tasks.length}` : group.name;
      const row = { key: group.id, name, tasks: group.tasks, spans, isOpen, level: 1 };
      if (isOpen !== true) {
        return [row];
      }
      const below = group.tasks.map((task, at) => ({
        key: `${group.id} ${task.task_run_id}`,
        name: memberName(task, at),
        tasks: [task],
        spans: spansOf.get(task.task_run_id) ?? [],
        isOpen: null,
        level: 2
      }));
      return [row, ...below];
    });
    const seconds = (this._extent.to - this._extent.from) / 1000;
    const width = this._trackWidth();
    this._scale = this._wantedScale ?? width / seconds;
    const track = Math.max(width, Math.ceil(seconds * this._scale));
    this._inner.style.setProperty('--orc-track', `${track}px`);
    setAttributes(this._fit, { 'aria-pressed': String(this._wantedScale === null) });
    this._drawAxis(seconds);
    if (!this._data.some(({ key }) => key === this._entry)) {
      this._entry = this._data[0]?.key ?? '';
    }
    this._rows.update(this._data.map(row => row.key));
    this._showChosen();
  }

  private _trackWidth(): number {
    const width = this._scroll.clientWidth - this._corner.offsetWidth - 8;
    return width > 80 ? width : USUAL_WIDTH;
  }

  private _drawAxis(seconds: number): void {
    const { locale } = this._options;
    const step = markStep(this._scale, LEAST_MARK_PIXELS);
    // only the marks in sight, and a few around
    const left = Math.max(0, this._scroll.scrollLeft / this._scale - 4 * step);
    const first = Math.floor(left / step);
    const last = Math.min(seconds / step, first + 8 + this._trackWidth() / (step * this._scale));
    const marks: HTMLElement[] = [];
    for (let at = first; at <= last; at++) {
      if (at > 0 && (seconds - at * step) * this._scale < LEAST_MARK_PIXELS / 2) {
        break; // its time would be cut off
      }
      const mark = html('span', { class: 'orc-mark', style: `left:${at * step * this._scale}px` });
      mark.textContent = step < 1 ? `${(at * step).toFixed(2)} s` : formatElapsed(at * step);
      marks.push(mark);
    }
    this._axis.replaceChildren(...marks);
    this._axis.title = formatMoment(new Date(this._extent.from).toISOString(), locale);
  }

  private _drawRow(data: IRowData, known: HTMLElement | null): HTMLElement {
    const { texts } = this._options;
    const row = known ?? this._makeRow(data);
    const name = row.querySelector<HTMLElement>('.orc-timeline-name');
    const track = row.querySelector<HTMLElement>('.orc-timeline-track');
    if (name === null || track === null) {
      return row;
    }
    const counts = countStates(data.tasks);
    const state = groupState(counts);
    const label = name.querySelector<HTMLElement>('.orc-timeline-label');
    if (label !== null) {
      showText(label, data.name, data.name);
    }
    const isChosen = data.tasks.length === 1 && data.tasks[0].task_run_id === this._choice;
    setAttributes(name, {
      'aria-label': `${data.name}, ${this._words(data, counts)}`,
      'aria-expanded': data.isOpen === null ? null : String(data.isOpen),
      'aria-pressed': data.isOpen === null ? String(isChosen) : null,
      tabindex: data.key === this._entry ? 0 : -1,
      title: data.isOpen === null ? texts.__('Show %1', data.name) : null
    });
    setAttributes(row, { 'data-state': state, 'data-tone': stateLook(state).tone });
    const bars =
      data.isOpen === null
        ? data.spans
        : groupSpans(data.tasks, data.spans, this._options.clock.now());
    while (track.childElementCount > bars.length) {
      track.lastElementChild?.remove();
    }
    bars.forEach((span, at) => this._drawBar(track, at, span, data));
    return row;
  }

  private _makeRow(data: IRowData): HTMLElement {
    const name = html(
      'button',
      { type: 'button', class: 'orc-timeline-name', 'data-level': data.level },
      html('span', { class: 'orc-caret', hidden: data.isOpen === null, 'aria-hidden': 'true' }),
      html('span', { class: 'orc-timeline-label' })
    );
    name.addEventListener('click', () => this._onName(data.key));
    return html(
      'div',
      { class: 'orc-timeline-row', role: 'listitem', 'data-key': data.key },
      name,
      html('div', { class: 'orc-timeline-track', 'aria-hidden': 'true' })
    );
  }

  private _drawBar(track: HTMLElement, at: number, span: ITimeSpan, data: IRowData): void {
    const { texts, clock } = this._options;
    const bar = track.children[at] ?? track.appendChild(html('span'));
    const to = span.to ?? clock.now();
    const left = ((span.from - this._extent.from) / 1000) * this._scale;
    const width = Math.max(LEAST_BAR_PIXELS, ((to - span.from) / 1000) * this._scale);
    const took = formatDuration((to - span.from) / 1000);
    const title =
      span.kind === 'wait'
        ? texts.__('waited %1', took)
        : data.isOpen === null
          ? texts.__(
              'attempt %1: %2, %3',
              span.attempt,
              stateWord(span.state, this._live, texts),
              took
            )
          : countWords(countStates(data.tasks), texts);
    setAttributes(bar, {
      class: span.kind === 'wait' ? 'orc-bar orc-bar-wait' : 'orc-bar',
      'data-tone': span.kind === 'wait' ? null : stateLook(span.state).tone,
      'data-state': span.state,
      'data-kind': span.kind,
      title,
      style: `left:${left}px;width:${width}px`
    });
  }

  /** What a row shows, in words. */
  private _words(data: IRowData, counts: ReadonlyMap<string, number>): string {
    const { texts, clock } = this._options;
    if (data.tasks.length > 1) {
      return countWords(counts, texts);
    }
    const [task] = data.tasks;
    const sum = (kind: ITimeSpan['kind']): number =>
      data.spans
        .filter(span => span.kind === kind)
        .reduce((total, span) => total + ((span.to ?? clock.now()) - span.from) / 1000, 0);
    const attempts = task.attempt > 1 ? texts.__('attempt %1', attemptCount(task, texts)) : '';
    return [
      stateWord(task.state, this._live, texts),
      texts.__('waited %1', formatDuration(sum('wait'))),
      texts.__('ran %1', formatDuration(sum('run'))),
      attempts,
      errorWords(task)
    ]
      .filter(Boolean)
      .join(', ');
  }

  private _onName(key: string): void {
    this._entry = key;
    const data = this._data.find(row => row.key === key);
    if (data?.isOpen === true) {
      this._open.delete(key);
    } else if (data?.isOpen === false) {
      this._open.add(key);
    } else if (data !== undefined) {
      const id = data.tasks[0].task_run_id;
      this._choice = this._choice === id ? null : id;
    }
    this._draw();
  }

  private _showChosen(): void {
    this._chosen.show(
      this._tasks.find(one => one.task_run_id === this._choice),
      this._live
    );
  }

  private _onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return; // those are the browser's
    }
    if (event.key === 'Tab') {
      this._keepEntry();
      return;
    }
    const row = event.target instanceof Element ? event.target.closest('.orc-timeline-row') : null;
    if (row !== null && this._moveFrom(row.getAttribute('data-key') ?? '', event.key)) {
      // it is done
    } else if (event.key === '+' || event.key === '=') {
      this._zoom(ZOOM_STEP);
    } else if (event.key === '-') {
      this._zoom(1 / ZOOM_STEP);
    } else if (event.key === '0') {
      this._zoomTo(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Go to another row, or open and close one; false for other keys. */
  private _moveFrom(key: string, pressed: string): boolean {
    const at = this._data.findIndex(row => row.key === key);
    const to = treeKey(this._data, at, pressed);
    if (to === 'toggle') {
      this._onName(key);
    } else if (to !== null) {
      this._setEntry(to)?.focus({ preventScroll: true });
    }
    return to !== null;
  }

  /** Have Tab lead to a row in sight where the one that it led to is not drawn. */
  private _keepEntry(): void {
    if (this._data.length > 0 && this._list.querySelector('[tabindex="0"]') === null) {
      const seen = Math.ceil(this._scroll.scrollTop / ROW_HEIGHT);
      this._setEntry(Math.min(this._data.length - 1, seen));
    }
  }

  /** Have Tab lead to a row. */
  private _setEntry(at: number): HTMLElement | null {
    this._entry = this._data[at].key;
    this._list.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
    const name = this._rows.reveal(at)?.querySelector<HTMLElement>('.orc-timeline-name') ?? null;
    name?.setAttribute('tabindex', '0');
    return name;
  }

  private _onWheel(event: WheelEvent): void {
    if (event.ctrlKey) {
      event.preventDefault();
      this._zoom(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP);
    }
  }

  private _zoom(factor: number): void {
    const seconds = (this._extent.to - this._extent.from) / 1000;
    const wanted = this._scale * factor;
    const isAll = wanted * seconds <= this._trackWidth();
    this._zoomTo(isAll ? null : Math.min(wanted, MOST_PIXELS / seconds));
  }

  /** Show so many pixels a second, all for null; what is in the middle stays there. */
  private _zoomTo(scale: number | null): void {
    const half = this._trackWidth() / 2;
    const middle = (this._scroll.scrollLeft + half) / this._scale;
    this._wantedScale = scale;
    this._draw();
    this._scroll.scrollLeft = Math.max(0, middle * this._scale - half);
    this._drawAxis((this._extent.to - this._extent.from) / 1000);
  }

  private _followTime(): void {
    const moves = this._live && this._tasks.some(task => isLive(task.state));
    if (moves && this._unfollow === null) {
      this._unfollow = this._options.clock.follow(() => this._draw());
    } else if (!moves && this._unfollow !== null) {
      this._unfollow();
      this._unfollow = null;
    }
  }

  private _tasks: readonly ITaskView[] = [];
  private _attempts: ReadonlyMap<string, readonly IAttempt[]> = new Map();
  private _live = false;
  private _data: readonly IRowData[] = [];
  private _extent = { from: 0, to: 1 };
  /** Pixels per second; what the reader wants, null for all of the time. */
  private _scale = 1;
  private _wantedScale: number | null = null;
  private readonly _open = new Set<string>();
  private _choice: string | null = null;
  /** Key of the row that Tab leads to. */
  private _entry = '';
  private _unfollow: (() => void) | null = null;
  private readonly _fit: HTMLButtonElement;
  private readonly _rows: VirtualRows;
  private readonly _empty = html('p', { class: 'orc-empty', hidden: true });
  private readonly _scroll = html('div', { class: 'orc-timeline-scroll' });
  private readonly _inner = html('div', { class: 'orc-timeline-inner' });
  private readonly _corner = html('span', { class: 'orc-timeline-corner' });
  private readonly _axis = html('div', { class: 'orc-timeline-axis', 'aria-hidden': 'true' });
  private readonly _list = html('div', { class: 'orc-timeline-rows' });
  private readonly _chosen: ChosenTask;
  private readonly _resized =
    typeof ResizeObserver === 'undefined'
      ? null
      : new ResizeObserver(() => {
          const width = this._trackWidth();
          if (width !== this._drawnWidth && this._tasks.length > 0) {
            this._drawnWidth = width;
            this._draw();
          }
        });
  private _drawnWidth = 0;
}

function* flat<T>(lists: Iterable<readonly T[]>): Iterable<T> {
  for (const list of lists) {
    yield* list;
  }
}

/** Make a button that shows a sign, and is called by what it does. */
function signButton(sign: string, name: string, onClick: () => void): HTMLButtonElement {
  const node = button(sign, name, onClick);
  node.setAttribute('aria-label', name);
  return node;
}

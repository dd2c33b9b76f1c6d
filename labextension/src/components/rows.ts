/** The rows of the side bar's tree, decided apart from how they are drawn. */

import { isFailure, isLive } from '../drawing/states';
import { errorWords } from '../drawing/taskWords';
import type { IRun, ITaskView } from '../schemas';
import type { IItem, ISectionItems, ItemContent } from './overviewSections';

/** The sections of the panel. */
export type Section = 'alerts' | 'active' | 'recent' | 'schedules' | 'clusters';

/** One row; `level` counts from 1, `position` and `size` place it among its siblings for screen readers. */
export type Row = IPlace &
  (
    | {
        readonly kind: 'section';
        readonly section: Section;
        /** Null while it is not known. */
        readonly count: number | null;
      }
    | { readonly kind: 'run'; readonly run: IRun; readonly error: string }
    | { readonly kind: 'task'; readonly task: ITaskView; readonly live: boolean }
    | { readonly kind: 'item'; readonly content: ItemContent }
  );

interface IPlace {
  readonly key: string;
  readonly parent: string | null;
  readonly level: number;
  readonly position: number;
  readonly size: number;
  /** Null for what cannot be opened. */
  readonly isOpen: boolean | null;
}

/** Where the records come from. */
export interface IRunSource {
  readonly runs: readonly IRun[];
  tasksOf(runId: string): readonly ITaskView[];
}

/** The rows of the sections beside those of runs. */
export type OverviewItems = Readonly<Record<'alerts' | 'schedules' | 'clusters', ISectionItems>>;

/**
 * Give the rows that are in sight, from top to bottom.
 *
 * @param closed - the sections that are closed
 * @param open - the keys of the other rows that are open, of runs their ids
 * @param overview - null where there are sections of runs only
 */
export function visibleRows(
  source: IRunSource,
  closed: ReadonlySet<string>,
  open: ReadonlySet<string>,
  overview: OverviewItems | null = null
): Row[] {
  const active = source.runs.filter(run => isLive(run.state));
  const recent = source.runs
    .filter(run => !isLive(run.state))
    .sort((a, b) => Date.parse(shownAt(b) ?? '') - Date.parse(shownAt(a) ?? '') || 0);
  const ofRuns = (section: Section, runs: readonly IRun[]): ISection => ({
    section,
    count: runs.length,
    rows: () =>
      runs.flatMap((run, place) => runRows(source, run, section, place, runs.length, open))
  });
  const ofItems = (section: keyof OverviewItems): ISection[] => {
    const found = overview?.[section];
    return found === undefined
      ? []
      : [{ section, count: found.count, rows: () => itemRows(found.items, section, 2, open) }];
  };
  const sections = [
    ...ofItems('alerts'),
    ofRuns('active', active),
    overview !== null && source.runs.length === 0 ? FIRST_STEP : ofRuns('recent', recent),
    ...ofItems('schedules'),
    ...ofItems('clusters')
  ];
  return sections.flatMap(({ section, count, rows }, index) => {
    const isOpen = !closed.has(section);
    const head: Row = {
      kind: 'section',
      section,
      count,
      key: section,
      parent: null,
      level: 1,
      position: index + 1,
      size: sections.length,
      isOpen
    };
    return isOpen ? [head, ...rows()] : [head];
  });
}

/** Give the time that a run which has ended shows, and is ordered by: that of its end. */
export function shownAt(run: IRun): string | null {
  return run.ended_at ?? run.created_at;
}

interface ISection {
  readonly section: Section;
  readonly count: number | null;
  readonly rows: () => Row[];
}

/** Stands in the place of the recent runs while there is none at all. */
const FIRST_STEP: ISection = {
  section: 'recent',
  count: 0,
  rows: () =>
    itemRows(
      [{ key: 'recent:note', content: { kind: 'note', note: 'noRuns' } }],
      'recent',
      2,
      new Set()
    )
};

function itemRows(
  items: readonly IItem[],
  parent: string,
  level: number,
  open: ReadonlySet<string>
): Row[] {
  return items.flatMap(({ key, content, children }, place) => {
    const isOpen = children === undefined ? null : open.has(key);
    const row: Row = {
      kind: 'item',
      content,
      key,
      parent,
      level,
      position: place + 1,
      size: items.length,
      isOpen
    };
    return isOpen === true ? [row, ...itemRows(children ?? [], key, level + 1, open)] : [row];
  });
}

function runRows(
  source: IRunSource,
  run: IRun,
  parent: Section,
  place: number,
  size: number,
  open: ReadonlySet<string>
): Row[] {
  const isOpen = open.has(run.run_id);
  const tasks = source.tasksOf(run.run_id);
  const error = runError(run, tasks);
  const key = run.run_id;
  const row: Row = {
    kind: 'run',
    run,
    error,
    key,
    parent,
    level: 2,
    position: place + 1,
    size,
    isOpen
  };
  if (!isOpen) {
    return [row];
  }
  const taskRows = tasks.map((task, index): Row => ({
    kind: 'task',
    task,
    live: isLive(run.state) || !isLive(task.state),
    key: task.task_run_id,
    parent: key,
    level: 3,
    position: index + 1,
    size: tasks.length,
    isOpen: null
  }));
  return [row, ...taskRows];
}

/** Give why a run failed, or is about to, on one line; empty when nothing is wrong. */
export function runError(run: IRun, tasks: readonly ITaskView[]): string {
  const firstLine = (text: string): string => text.trim().split('\n', 1)[0];
  if (isFailure(run.state) && run.message !== '') {
    return firstLine(run.message);
  }
  const failed = tasks.find(task => isFailure(task.state) && task.state !== 'UPSTREAM_FAILED');
  return failed === undefined ? '' : `${failed.name}: ${firstLine(errorWords(failed))}`;
}

/** Give the row that a key of the keyboard leads to from another row, as in the ARIA tree pattern; null for none. */
export function rowAt(rows: readonly Row[], from: string, key: string): Row | null {
  const index = rows.findIndex(row => row.key === from);
  const row = rows[index];
  switch (key) {
    case 'ArrowDown':
      return rows[index + 1] ?? null;
    case 'ArrowUp':
      return rows[index - 1] ?? null;
    case 'Home':
      return rows[0] ?? null;
    case 'End':
      return rows[rows.length - 1] ?? null;
    case 'ArrowRight':
      return row?.isOpen === true && rows[index + 1]?.parent === from ? rows[index + 1] : null;
    case 'ArrowLeft':
      return row?.isOpen !== true ? (rows.find(other => other.key === row?.parent) ?? null) : null;
    default:
      return null;
  }
}

/** The sections of the side bar beside runs, decided apart from how they are drawn: alerts, schedules, clusters. */

import type {
  IDeadLetter,
  ICluster,
  IClusterWorker,
  IScheduled,
  IUndelivered
} from '../overview/records';
import type { IAlerts } from '../overview/records';
import type { ILiveReading } from '../overview/liveReading';
import type { IRun } from '../schemas';

/** So many runs that failed, and so many that are late, are shown at once. */
const SHOWN_ALERTS = 5;

/** What one row shows. */
export type ItemContent =
  | { readonly kind: 'schedule'; readonly scheduled: IScheduled }
  | { readonly kind: 'cluster'; readonly cluster: ICluster }
  | { readonly kind: 'worker'; readonly worker: IClusterWorker }
  | { readonly kind: 'failed'; readonly run: IRun }
  | { readonly kind: 'late'; readonly run: IRun }
  | { readonly kind: 'undelivered'; readonly delivery: IUndelivered }
  | { readonly kind: 'letters'; readonly count: number }
  | { readonly kind: 'more'; readonly count: number }
  | { readonly kind: 'letter'; readonly letter: IDeadLetter }
  | { readonly kind: 'trouble'; readonly text: string }
  | { readonly kind: 'problem'; readonly error: unknown }
  | { readonly kind: 'note'; readonly note: Note };

/** A row that says what is not there, or is not known yet. */
export type Note = 'loading' | 'noAlerts' | 'noRuns' | 'noSchedules';

/** One row, and those below it. */
export interface IItem {
  readonly key: string;
  readonly content: ItemContent;
  /** Absent for a row that cannot be opened. */
  readonly children?: readonly IItem[];
}

/** The rows of a section; `count` is null while it is not known. */
export interface ISectionItems {
  readonly count: number | null;
  readonly items: readonly IItem[];
}

/** What a section reads. */
type Reading<T> = Pick<ILiveReading<T>, 'value' | 'error'>;

/** Give the rows of the alerts: failures first, then what does not start, could not be told, or is to be decided. */
export function alertItems(reading: Reading<IAlerts>): ISectionItems {
  return sectionItems(reading, 'alerts', 'noAlerts', alerts => {
    const items: IItem[] = [
      ...firstOf(
        'failed',
        alerts.failed.map(run => item(`failed:${run.run_id}`, { kind: 'failed', run }))
      ),
      ...firstOf(
        'late',
        alerts.late.map(run => item(`late:${run.run_id}`, { kind: 'late', run }))
      ),
      ...alerts.troubles.map((text, place) => item(`trouble:${place}`, { kind: 'trouble', text })),
      ...alerts.undelivered.map(delivery =>
        item(`undelivered:${delivery.number}`, { kind: 'undelivered', delivery })
      )
    ];
    const { deadLetters } = alerts;
    if (deadLetters.length > 0) {
      items.push({
        key: 'letters',
        content: { kind: 'letters', count: deadLetters.length },
        children: deadLetters.map(letter => item(`letter:${letter.id}`, { kind: 'letter', letter }))
      });
    }
    return items;
  });
}

/** Give the rows of the schedules: what is due next comes first, what rests last. */
export function scheduleItems(reading: Reading<readonly IScheduled[]>): ISectionItems {
  return sectionItems(reading, 'schedules', 'noSchedules', found =>
    [...found]
      .sort((a, b) => dueOrder(a) - dueOrder(b) || (a.name < b.name ? -1 : 1))
      .map(scheduled => item(`schedule:${scheduled.name}`, { kind: 'schedule', scheduled }))
  );
}

/** Give the rows of the clusters, with their workers below them. */
export function clusterItems(reading: Reading<readonly ICluster[]>): ISectionItems {
  return sectionItems(reading, 'clusters', null, found =>
    found.map(cluster => ({
      key: `cluster:${cluster.name}`,
      content: { kind: 'cluster', cluster },
      children:
        cluster.workers.length === 0
          ? undefined
          : cluster.workers.map((worker, place) =>
              item(`worker:${place}:${cluster.name}`, { kind: 'worker', worker })
            )
    }))
  );
}

/** Give the memory that all workers of a cluster use, and what all may use: 0 where that is not known of each. */
export function clusterMemory(cluster: ICluster): {
  readonly used: number;
  readonly limit: number;
} {
  const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
  const limits = cluster.workers.map(worker => worker.limitBytes);
  return {
    used: sum(cluster.workers.map(worker => worker.memoryBytes)),
    limit: limits.includes(0) ? 0 : sum(limits)
  };
}

function sectionItems<T>(
  reading: Reading<T>,
  section: string,
  empty: Note | null,
  itemsOf: (value: T) => readonly IItem[]
): ISectionItems {
  const { value, error } = reading;
  const problem: IItem[] =
    error === null ? [] : [item(`${section}:problem`, { kind: 'problem', error })];
  if (value === null) {
    const loading = item(`${section}:note`, { kind: 'note', note: 'loading' });
    return { count: null, items: error === null ? [loading] : problem };
  }
  const items = itemsOf(value);
  const count = items.reduce((total, { content }) => total + countOf(content), 0);
  if (items.length === 0 && empty !== null && error === null) {
    return { count, items: [item(`${section}:note`, { kind: 'note', note: empty })] };
  }
  return { count, items: [...problem, ...items] };
}

/** Give the first few rows, and the others below one that can be opened: what runs must not be far below what failed. */
function firstOf(kind: string, items: readonly IItem[]): IItem[] {
  const rest = items.slice(SHOWN_ALERTS);
  if (rest.length === 0) {
    return [...items];
  }
  const more: IItem = {
    key: `more:${kind}`,
    content: { kind: 'more', count: rest.length },
    children: rest
  };
  return [...items.slice(0, SHOWN_ALERTS), more];
}

function item(key: string, content: ItemContent): IItem {
  return { key, content };
}

function countOf(content: ItemContent): number {
  return content.kind === 'letters' || content.kind === 'more' ? content.count : 1;
}

function dueOrder(scheduled: IScheduled): number {
  const never = Number.MAX_SAFE_INTEGER;
  const at = scheduled.nextAt === null ? never - 1 : Date.parse(scheduled.nextAt);
  return scheduled.isPaused ? never : at;
}

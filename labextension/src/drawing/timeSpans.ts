/** What a timeline shows: when each task waited and ran, worked out of its record and its attempts. */

import type { ITaskView } from '../schemas';
import { isLive } from './states';
import { countStates, groupState } from './taskGroups';

/** A stretch of time; milliseconds since the epoch. */
export interface ITimeSpan {
  readonly kind: 'wait' | 'run';
  readonly from: number;
  /** Null while it goes on. */
  readonly to: number | null;
  /** Of a run the state that it ended in, or is in. */
  readonly state: string;
  /** From 1; 0 of the wait before the first. */
  readonly attempt: number;
}

/** One time that a task was begun. */
export interface IAttempt {
  readonly number: number;
  readonly state: string;
  readonly started_at: string;
  readonly ended_at: string | null;
}

/** Give the spans of a task in order; `attempts` are known of what was begun more than once, else empty. */
export function timeSpans(task: ITaskView, attempts: readonly IAttempt[]): ITimeSpan[] {
  const begun = attempts.length > 0 ? attempts : ownAttempt(task);
  const spans: ITimeSpan[] = [];
  let waitsSince = time(task.created_at);
  for (const attempt of begun) {
    const from = time(attempt.started_at);
    if (from === null) {
      continue;
    }
    if (waitsSince !== null && waitsSince < from) {
      const number = spans.filter(span => span.kind === 'run').length;
      spans.push({ kind: 'wait', from: waitsSince, to: from, state: 'PENDING', attempt: number });
    }
    const to = time(attempt.ended_at);
    spans.push({ kind: 'run', from, to, state: attempt.state, attempt: attempt.number });
    waitsSince = to;
  }
  const last = spans.at(-1);
  if (waitsSince !== null && isLive(task.state) && (last === undefined || last.to !== null)) {
    spans.push({
      kind: 'wait',
      from: waitsSince,
      to: null,
      state: task.state,
      attempt: last?.attempt ?? 0
    });
  }
  return spans;
}

/** Give from when to when some spans are; `now` is the end of what goes on. Null where there are none. */
export function extentOf(
  spans: Iterable<ITimeSpan>,
  now: number
): { readonly from: number; readonly to: number } | null {
  let from = Infinity;
  let to = -Infinity;
  for (const span of spans) {
    from = Math.min(from, span.from);
    to = Math.max(to, span.to ?? now);
  }
  return Number.isFinite(from) ? { from, to: Math.max(to, from + 1) } : null;
}

const STEPS_SECONDS = [
  ...[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800],
  ...[3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800]
];

/** Give the distance of the marks of an axis in seconds: at least `leastPixels` apart. */
export function markStep(pixelsPerSecond: number, leastPixels: number): number {
  const found = STEPS_SECONDS.find(step => step * pixelsPerSecond >= leastPixels);
  return found ?? Math.ceil(leastPixels / pixelsPerSecond / 604_800) * 604_800;
}

function ownAttempt(task: ITaskView): IAttempt[] {
  return task.started_at === null
    ? []
    : [
        {
          number: Math.max(1, task.attempt),
          state: task.state,
          started_at: task.started_at,
          ended_at: task.ended_at
        }
      ];
}

function time(at: string | null): number | null {
  const milliseconds = Date.parse(at ?? '');
  return Number.isFinite(milliseconds) ? milliseconds : null;
}

/** Give the bar of many tasks: from where the first began to where the last ended; none before that. */
export function groupSpans(
  tasks: readonly ITaskView[],
  spans: readonly ITimeSpan[],
  now: number
): ITimeSpan[] {
  const runs = spans.filter(span => span.kind === 'run');
  const extent = extentOf(runs, now);
  const state = groupState(countStates(tasks));
  return extent === null ? [] : [{ kind: 'run', ...extent, state, attempt: 0 }];
}

/** The states of runs and tasks as they are shown: a word, an icon and a tone for each. */

import type { IRecord } from '../schemas';
import type { IconName } from './icons';
import type { ITexts } from './translation';

/** A group of states with one colour; `drawing.css` has the colours of both themes. */
export type Tone =
  'completed' | 'failed' | 'running' | 'waiting' | 'pending' | 'cancelled' | 'cached';

/** How a state is shown. */
export interface IStateLook {
  readonly icon: IconName;
  readonly tone: Tone;
  /** Whether something may still happen in this state without anybody's decision. */
  readonly live: boolean;
  readonly word: (texts: ITexts) => string;
}

/** State to its look. CACHED and LATE are states only in what is shown. */
export const STATE_LOOKS = {
  SCHEDULED: {
    icon: 'scheduled',
    tone: 'pending',
    live: true,
    word: texts => texts.__('Scheduled')
  },
  LATE: { icon: 'late', tone: 'waiting', live: true, word: texts => texts.__('Late') },
  PENDING: { icon: 'pending', tone: 'pending', live: true, word: texts => texts.__('Pending') },
  RUNNING: { icon: 'running', tone: 'running', live: true, word: texts => texts.__('Running') },
  RETRYING: { icon: 'retrying', tone: 'waiting', live: true, word: texts => texts.__('Retrying') },
  PAUSED: { icon: 'paused', tone: 'waiting', live: true, word: texts => texts.__('Paused') },
  CANCELLING: {
    icon: 'cancelling',
    tone: 'cancelled',
    live: true,
    word: texts => texts.__('Cancelling')
  },
  COMPLETED: {
    icon: 'completed',
    tone: 'completed',
    live: false,
    word: texts => texts.__('Completed')
  },
  CACHED: { icon: 'cached', tone: 'cached', live: false, word: texts => texts.__('Cached') },
  FAILED: { icon: 'failed', tone: 'failed', live: false, word: texts => texts.__('Failed') },
  TIMED_OUT: {
    icon: 'timedOut',
    tone: 'failed',
    live: false,
    word: texts => texts.__('Timed out')
  },
  CRASHED: { icon: 'crashed', tone: 'failed', live: false, word: texts => texts.__('Crashed') },
  CANCELLED: {
    icon: 'cancelled',
    tone: 'cancelled',
    live: false,
    word: texts => texts.__('Cancelled')
  },
  SKIPPED: { icon: 'skipped', tone: 'cached', live: false, word: texts => texts.__('Skipped') },
  UPSTREAM_FAILED: {
    icon: 'upstreamFailed',
    tone: 'pending',
    live: false,
    word: texts => texts.__('Upstream failed')
  },
  MISSED: { icon: 'missed', tone: 'pending', live: false, word: texts => texts.__('Missed') }
} satisfies Record<string, IStateLook>;

const LOOKS: ReadonlyMap<string, IStateLook> = new Map(Object.entries(STATE_LOOKS));

const UNKNOWN: IStateLook = {
  icon: 'unknown',
  tone: 'pending',
  live: false,
  word: texts => texts.__('Not run')
};

/** Give the look of a state; a state that this code does not know is shown as not run. */
export function stateLook(state: string): IStateLook {
  return LOOKS.get(state) ?? UNKNOWN;
}

/** Tell whether something may still happen in a state. */
export function isLive(state: string): boolean {
  return stateLook(state).live;
}

/** Tell whether a state is a bad end. */
export function isFailure(state: string): boolean {
  return ['FAILED', 'TIMED_OUT', 'CRASHED', 'UPSTREAM_FAILED'].includes(state);
}

/**
 * Give the later of two records of the same task or run: the later epoch, then an ended one, then the one that began
 * later. Of equals it gives `second`.
 */
export function laterRecord<T extends IRecord & { readonly attempt?: number }>(
  first: T,
  second: T
): T {
  return compare(rank(first), rank(second)) > 0 ? first : second;
}

function rank(record: IRecord & { readonly attempt?: number }): number[] {
  const ended = stateLook(record.state).live ? 0 : 1;
  const order = ['SCHEDULED', 'PENDING', 'RUNNING', 'RETRYING', 'CANCELLING'];
  // a run pauses and goes on any number of times
  const state = record.state === 'PAUSED' ? 'RUNNING' : record.state;
  return [record.epoch, ended, record.attempt ?? 0, order.indexOf(state)];
}

function compare(first: number[], second: number[]): number {
  const place = first.findIndex((value, index) => value !== second[index]);
  return place < 0 ? 0 : first[place] - second[place];
}

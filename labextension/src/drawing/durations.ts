/** Durations and times as people read them. */

import type { IRecord } from '../schemas';
import type { ITexts } from './translation';

/** Symbols of units, the same in all languages, with their seconds. */
const UNITS: readonly [string, number][] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1]
];

/**
 * Format the duration of something that has ended, in seconds, in its two largest units: "0.4 s", "42 s", "1 min 4 s",
 * "1 h 2 min".
 *
 * `orchestra_nb/model/durations.py` writes the same; both are tested against `tests/durations.json`.
 */
export function formatDuration(seconds: number): string {
  const tenths = Math.floor(Math.max(0, seconds) * 10);
  return tenths < 100 ? `${Math.floor(tenths / 10)}.${tenths % 10} s` : formatElapsed(seconds);
}

/** Format the duration of something that goes on, which is shown each second: as others, in whole seconds. */
export function formatElapsed(seconds: number): string {
  let rest = Math.max(0, Math.floor(seconds));
  const larger = UNITS.findIndex(([, length]) => rest >= length);
  if (larger < 0) {
    return '0 s';
  }
  const parts: string[] = [];
  for (const [symbol, length] of UNITS.slice(larger, larger + 2)) {
    const number = Math.floor(rest / length);
    rest %= length;
    if (number > 0) {
      parts.push(`${number} ${symbol}`);
    }
  }
  return parts.join(' ');
}

/** Give how long a record ran, or has run until `now` (milliseconds since the epoch); null when it never began. */
export function secondsRun(
  record: Pick<IRecord, 'started_at' | 'ended_at'>,
  now: number
): number | null {
  if (record.started_at === null) {
    return null;
  }
  const end = record.ended_at === null ? now : Date.parse(record.ended_at);
  return Math.max(0, (end - Date.parse(record.started_at)) / 1000);
}

/**
 * Give for how long at least one of these records ran, or has run until `now` (milliseconds since the epoch): what
 * was idle in between does not count. Null when none began.
 */
export function secondsAtWork(records: readonly IRecord[], now: number): number | null {
  const spans = records.flatMap(record => {
    const seconds = secondsRun(record, now);
    const start = Date.parse(record.started_at ?? '') / 1000;
    return seconds === null ? [] : [[start, start + seconds] as const];
  });
  let until = -Infinity;
  let sum = 0;
  for (const [start, end] of spans.sort(([a], [b]) => a - b)) {
    sum += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return spans.length === 0 ? null : sum;
}

/** Format a time relative to `now` (milliseconds since the epoch): "just now", "5m ago". */
export function formatAgo(at: string, now: number, texts: ITexts, locale?: string): string {
  const seconds = (now - Date.parse(at)) / 1000;
  if (seconds < 45) {
    return texts.__('just now');
  }
  const format = new Intl.RelativeTimeFormat(locale, { style: 'narrow' });
  if (seconds < 3570) {
    return format.format(-Math.max(1, Math.round(seconds / 60)), 'minute');
  }
  if (seconds < 86400) {
    return format.format(-Math.max(1, Math.round(seconds / 3600)), 'hour');
  }
  return format.format(-Math.round(seconds / 86400), 'day');
}

/** Format a time to come relative to `now` (milliseconds since the epoch): "now", "in 21h". */
export function formatIn(at: string, now: number, texts: ITexts, locale?: string): string {
  const seconds = (Date.parse(at) - now) / 1000;
  if (seconds < 1) {
    return texts.__('now');
  }
  const format = new Intl.RelativeTimeFormat(locale, { style: 'narrow' });
  if (seconds < 60) {
    return format.format(Math.ceil(seconds), 'second');
  }
  if (seconds < 3570) {
    return format.format(Math.round(seconds / 60), 'minute');
  }
  if (seconds < 86400) {
    return format.format(Math.round(seconds / 3600), 'hour');
  }
  return format.format(Math.round(seconds / 86400), 'day');
}

/** Format a time in full, in the reader's zone. */
export function formatMoment(at: string, locale?: string): string {
  return new Date(at).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'medium' });
}

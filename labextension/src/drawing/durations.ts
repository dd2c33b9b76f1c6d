/** Durations and times as people read them. */

import type { IRecord } from '../schemas';
import type { ITexts } from './translation';

/** Format the duration of something that has ended, in seconds: "0.4 s", "00:42", "1:02:03". */
export function formatDuration(seconds: number): string {
  return seconds < 10 ? `${Math.max(0, seconds).toFixed(1)} s` : formatElapsed(seconds);
}

/** Format the duration of something that goes on, in seconds: "00:07", "1:02:03". */
export function formatElapsed(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = `${pad(minutes)}:${pad(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** Give how long a record ran, or has run until `now` (milliseconds since the epoch); null when it never began. */
export function secondsRun(record: IRecord, now: number): number | null {
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

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

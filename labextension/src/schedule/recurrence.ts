/**
 * When a schedule is due, as its three forms have it, and as the API does: an interval, an iCalendar rule or a cron
 * expression. What the forms cannot say of a rule stays a rule.
 */

import { readTextOrNull } from '../schemas';
import type { FieldsOf } from './records';

/** Which of the three forms. */
export type WhenKind = 'every' | 'calendar' | 'cron';

/** How often something is due by the calendar; `rule` is a rule of iCalendar as it is written. */
export type Frequency = 'daily' | 'weekly' | 'monthly-day' | 'monthly-weekday' | 'rule';

/** A unit of intervals: seconds, minutes, hours, days. */
export type Unit = 's' | 'm' | 'h' | 'd';

/** The days of the week as rules name them, from Monday. */
export const WEEKDAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;

/** A form of the API: the name of its field, and its text. */
export interface ISchedule {
  readonly field: 'every' | 'rrule' | 'cron';
  readonly text: string;
}

/** An interval. */
export interface IInterval {
  readonly count: string;
  readonly unit: Unit;
}

/** A time of the calendar. Parts that its frequency does not use stand as they are. */
export interface ICalendarTime {
  readonly frequency: Frequency;
  /** Of a week: some of {@link WEEKDAYS}. */
  readonly days: readonly string[];
  /** Of a month: 1 to 31, or -1 for the last. */
  readonly monthDay: string;
  /** Which weekday of a month: 1 to 4, or -1 for the last. */
  readonly position: string;
  readonly weekday: string;
  /** On the clock: `09:00`. */
  readonly time: string;
  /** The whole rule. */
  readonly rule: string;
}

/** What a form starts with. */
export const FIRST_INTERVAL: IInterval = { count: '1', unit: 'h' };

/** What a form starts with: weekdays at nine. */
export const FIRST_CALENDAR_TIME: ICalendarTime = {
  frequency: 'weekly',
  days: WEEKDAYS.slice(0, 5),
  monthDay: '1',
  position: '1',
  weekday: 'MO',
  time: '09:00',
  rule: ''
};

const SECONDS_OF: Readonly<Record<Unit, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const PART = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)/;

/** Give an interval as the API takes it: `15m`. */
export function intervalText(interval: IInterval): string {
  return `${interval.count}${interval.unit}`;
}

/** Read an interval (`1h30m`) in the largest unit that it is whole in; null when it is none that the form can show. */
export function readInterval(text: string): IInterval | null {
  const seconds = secondsOf(text.trim());
  const units: Unit[] = ['d', 'h', 'm', 's'];
  const unit = units.find(each => seconds !== null && seconds % SECONDS_OF[each] === 0);
  return seconds === null || seconds === 0 || unit === undefined
    ? null
    : { count: String(seconds / SECONDS_OF[unit]), unit };
}

function secondsOf(text: string): number | null {
  let rest = text;
  let seconds = /^\d+$/.test(rest) ? Number(rest) : 0;
  rest = rest.replace(/^\d+$/, '');
  while (rest !== '') {
    const part = PART.exec(rest);
    if (part === null) {
      return null;
    }
    seconds += Number(part[1]) * (part[2] === 'ms' ? 0.001 : SECONDS_OF[part[2] as Unit]);
    rest = rest.slice(part[0].length);
  }
  return seconds;
}

/** Give the rule that a time of the calendar is. */
export function ruleOf(calendar: ICalendarTime): string {
  const [hour, minute] = calendar.time.split(':').map(Number);
  const at = `BYHOUR=${hour};BYMINUTE=${minute}`;
  switch (calendar.frequency) {
    case 'daily':
      return `FREQ=DAILY;${at}`;
    case 'weekly':
      return `FREQ=WEEKLY;BYDAY=${WEEKDAYS.filter(day => calendar.days.includes(day)).join(',')};${at}`;
    case 'monthly-day':
      return `FREQ=MONTHLY;BYMONTHDAY=${calendar.monthDay};${at}`;
    case 'monthly-weekday':
      return `FREQ=MONTHLY;BYDAY=${calendar.position}${calendar.weekday};${at}`;
    case 'rule':
      return calendar.rule.trim();
  }
}

/** Read a rule into the form; one that the form cannot say stays as it is written. */
export function readRule(rule: string): ICalendarTime {
  const pairs = rule.split(';').map(part => part.split('=', 2));
  const parts = new Map(pairs.map(([name, value]) => [name.toUpperCase(), value ?? '']));
  const [frequency, hour, minute] = ['FREQ', 'BYHOUR', 'BYMINUTE'].map(
    name => parts.get(name) ?? ''
  );
  const found = frequencyOf(parts, frequency);
  const isPlain = /^\d+$/.test(hour) && /^\d+$/.test(minute) && parts.size === pairs.length;
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
  const read = { ...FIRST_CALENDAR_TIME, ...found, time };
  // what is read must say the same: nothing of the rule may be lost
  return found !== null && isPlain && isSameRule(ruleOf(read), rule)
    ? read
    : { ...FIRST_CALENDAR_TIME, frequency: 'rule', rule };
}

function frequencyOf(
  parts: ReadonlyMap<string, string>,
  frequency: string
): Partial<ICalendarTime> | null {
  const days = parts.get('BYDAY');
  const monthDay = parts.get('BYMONTHDAY');
  switch (frequency.toUpperCase()) {
    case 'DAILY':
      return { frequency: 'daily' };
    case 'WEEKLY':
      return days === undefined ? null : { frequency: 'weekly', days: days.split(',') };
    case 'MONTHLY': {
      const place = /^(-1|[1-4])([A-Z]{2})$/.exec(days ?? '');
      if (place !== null) {
        return { frequency: 'monthly-weekday', position: place[1], weekday: place[2] };
      }
      const isDay = /^(-1|[1-9]|[12]\d|3[01])$/.test(monthDay ?? '');
      return isDay ? { frequency: 'monthly-day', monthDay } : null;
    }
    default:
      return null;
  }
}

function isSameRule(one: string, other: string): boolean {
  const sorted = (rule: string): string =>
    rule
      .toUpperCase()
      .split(';')
      .map(part => part.replace(/=0+(?=\d)/, '='))
      .map(part => (part.startsWith('BYDAY=') ? sortedDays(part) : part))
      .sort()
      .join(';');
  return sorted(one) === sorted(other);
}

function sortedDays(part: string): string {
  return `BYDAY=${part.slice('BYDAY='.length).split(',').sort().join(',')}`;
}

/** Tell which form a schedule of the API has; null when it has none of them. */
export function kindOfSchedule(schedule: FieldsOf): WhenKind | null {
  if (schedule.every !== undefined) {
    return 'every';
  }
  return readTextOrNull(schedule.rrule) !== null
    ? 'calendar'
    : readTextOrNull(schedule.cron) !== null
      ? 'cron'
      : null;
}

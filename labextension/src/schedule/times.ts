/** The times at which a schedule is due, for people: in its zone and in the reader's. */

import type { ITexts } from '../drawing/translation';
import type { IFireTime } from './records';

const DAY = 86_400_000;
const NEAR_DAYS = 6;

/** One line of the list of times. */
export interface ITimeRow {
  /** In the schedule's zone. */
  readonly there: string;
  /** In the reader's zone; empty where that is the same. */
  readonly here: string;
  /** What changes of clocks do to it; empty where there is none. */
  readonly notes: readonly string[];
}

/** Give the time zone of this browser. */
export function readersZone(): string {
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return isZone(zone) ? zone : 'UTC';
}

/** Give the names of all time zones that this browser tells, UTC first. */
export function knownZones(): readonly string[] {
  // a browser of before 2022 tells none: the server knows those that are typed
  const told = 'supportedValuesOf' in Intl ? Intl.supportedValuesOf('timeZone') : [];
  const zones = told.filter(zone => zone !== 'UTC');
  return ['UTC', ...zones];
}

/** Tell whether this browser knows a time zone. */
export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone !== '';
  } catch {
    return false;
  }
}

/**
 * Give the lines of a list of times.
 *
 * @param times - in order
 * @param zone - the schedule's
 * @param reader - the reader's zone
 */
export function timeRows(
  times: readonly IFireTime[],
  zone: string,
  reader: string,
  texts: ITexts,
  locale?: string
): ITimeRow[] {
  const isSame = zone === reader;
  let before: string | null = null;
  return times.map(time => {
    const moment = new Date(time.at);
    const offset = isSame ? null : offsetIn(moment, reader);
    const notes = [time.note];
    if (offset !== null && before !== null && offset !== before) {
      notes.push(texts.__('your clocks change before this: %1 from then on', offset));
    }
    before = offset;
    return {
      there: isZone(zone) ? dayAndTime(moment, zone, locale) : time.words,
      here: isSame ? '' : dayAndTime(moment, reader, locale),
      notes: notes.filter(note => note !== '')
    };
  });
}

/** Write a day and a time of a zone, with the zone's short name, which tells summer from winter time. */
function dayAndTime(moment: Date, zone: string, locale?: string): string {
  return new Intl.DateTimeFormat(locale, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    ...clockFields(moment),
    timeZone: zone,
    timeZoneName: 'short'
  }).format(moment);
}

function clockFields(moment: Date): Intl.DateTimeFormatOptions {
  const hasSeconds = moment.getUTCSeconds() !== 0;
  return {
    hour: '2-digit',
    minute: '2-digit',
    second: hasSeconds ? '2-digit' : undefined,
    hourCycle: 'h23'
  };
}

/** Give the offset of a zone from UTC at a moment: `GMT+02:00`. */
export function offsetIn(moment: Date, zone: string): string {
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  return format.formatToParts(moment).find(part => part.type === 'timeZoneName')?.value ?? '';
}

/**
 * Say when something is to come, in few words by the reader's clock: "tomorrow 09:00", "Monday 09:00", "3 Dec 09:00".
 *
 * @param at - ISO 8601
 * @param now - milliseconds since the epoch
 * @param isZoneTold - whether the zone stands behind the time
 */
export function soonText(
  at: string,
  now: number,
  zone: string,
  locale?: string,
  isZoneTold = false
): string {
  const moment = new Date(at);
  const time = new Intl.DateTimeFormat(locale, {
    ...clockFields(moment),
    timeZone: zone,
    timeZoneName: isZoneTold ? 'short' : undefined
  }).format(moment);
  const days = Math.round((dayOf(moment, zone) - dayOf(new Date(now), zone)) / DAY);
  if (days <= 1) {
    const word = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(days, 'day');
    return `${word} ${time}`;
  }
  const isNear = days <= NEAR_DAYS;
  const day = new Intl.DateTimeFormat(locale, {
    weekday: isNear ? 'long' : undefined,
    day: isNear ? undefined : 'numeric',
    month: isNear ? undefined : 'short',
    year: days > 300 ? 'numeric' : undefined,
    timeZone: zone
  }).format(moment);
  return `${day} ${time}`;
}

/** Give the day of a zone as milliseconds of UTC's midnight, so that days can be counted. */
function dayOf(moment: Date, zone: string): number {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: zone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric'
  }).formatToParts(moment);
  const part = (type: string): number => Number(parts.find(each => each.type === type)?.value);
  return Date.UTC(part('year'), part('month') - 1, part('day'));
}

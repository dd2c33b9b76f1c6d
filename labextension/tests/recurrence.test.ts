import {
  FIRST_CALENDAR_TIME,
  intervalText,
  kindOfSchedule,
  readInterval,
  readRule,
  ruleOf
} from '../src/schedule/recurrence';
import type { ICalendarTime } from '../src/schedule/recurrence';

test.each([
  ['15m', '15', 'm'],
  ['1h30m', '90', 'm'],
  ['7d', '7', 'd'],
  ['86400s', '1', 'd'],
  ['90', '90', 's'],
  ['5s', '5', 's']
] as const)('the interval %s is %s of the unit %s', (text, count, unit) => {
  expect(readInterval(text)).toEqual({ count, unit });
});

test.each(['', '0s', 'soon', '500ms', '1h 30m'])('the form cannot show the interval %j', text => {
  expect(readInterval(text)).toBeNull();
});

test('an interval is written with its unit', () => {
  expect(intervalText({ count: '90', unit: 'm' })).toBe('90m');
});

const NOON = { ...FIRST_CALENDAR_TIME, time: '12:05' };

test.each<[string, ICalendarTime]>([
  ['FREQ=DAILY;BYHOUR=12;BYMINUTE=5', { ...NOON, frequency: 'daily' }],
  [
    'FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=12;BYMINUTE=5',
    { ...NOON, frequency: 'weekly', days: ['MO', 'FR'] }
  ],
  [
    'FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=12;BYMINUTE=5',
    { ...NOON, frequency: 'monthly-day', monthDay: '-1' }
  ],
  [
    'FREQ=MONTHLY;BYDAY=2TU;BYHOUR=12;BYMINUTE=5',
    { ...NOON, frequency: 'monthly-weekday', position: '2', weekday: 'TU' }
  ]
])('the rule %s is read into the form and written as it was', (rule, calendar) => {
  expect(readRule(rule)).toEqual(calendar);
  expect(ruleOf(calendar)).toBe(rule);
});

test.each([
  'FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9;BYMINUTE=0',
  'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17',
  'FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0',
  'FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=30',
  'FREQ=WEEKLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0',
  'DTSTART:20260105T090000 RRULE:FREQ=WEEKLY;INTERVAL=2',
  'FREQ=HOURLY',
  ''
])('the rule %j, of which the form would lose something, stays as it is written', rule => {
  const read = readRule(rule);

  expect(read.frequency).toBe('rule');
  expect(ruleOf(read)).toBe(rule);
});

test('the order of days and of the parts of a rule does not matter', () => {
  expect(readRule('byhour=09;BYDAY=FR,MO;FREQ=WEEKLY;BYMINUTE=00').frequency).toBe('weekly');
});

test('the form of a schedule tells its tab', () => {
  expect(kindOfSchedule({ every: '1h' })).toBe('every');
  expect(kindOfSchedule({ rrule: 'FREQ=DAILY' })).toBe('calendar');
  expect(kindOfSchedule({ cron: '@daily' })).toBe('cron');
  expect(kindOfSchedule({})).toBeNull();
});

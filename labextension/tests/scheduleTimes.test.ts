import { englishTexts } from '../src/drawing/translation';
import type { IFireTime } from '../src/schedule/records';
import { isZone, knownZones, offsetIn, soonText, timeRows } from '../src/schedule/times';

const BERLIN = 'Europe/Berlin';
/** A Thursday, 14:00 in Berlin. */
const NOW = Date.parse('2026-11-26T14:00:00+01:00');

function times(...instants: string[]): IFireTime[] {
  return instants.map(at => ({ at, words: 'as the server says', note: '' }));
}

test('times are shown by the clocks of the schedule and of the reader', () => {
  const rows = timeRows(
    times('2026-11-27T09:00:00+01:00'),
    BERLIN,
    'America/New_York',
    englishTexts,
    'en-GB'
  );

  expect(rows).toEqual([
    { there: 'Fri, 27 Nov 2026, 09:00 CET', here: 'Fri, 27 Nov 2026, 03:00 GMT-5', notes: [] }
  ]);
});

test('a reader in the zone of the schedule sees one column, with seconds where there are some', () => {
  const [row] = timeRows(times('2026-11-27T09:00:05+01:00'), BERLIN, BERLIN, englishTexts, 'en-GB');

  expect(row).toEqual({ there: 'Fri, 27 Nov 2026, 09:00:05 CET', here: '', notes: [] });
});

test('what the server says of a change of clocks stands with its time', () => {
  const note = 'clocks go forward: 02:30 does not exist, due at 03:00';
  const [row] = timeRows(
    [{ at: '2026-03-29T03:00:00+02:00', words: '', note }],
    BERLIN,
    BERLIN,
    englishTexts
  );

  expect(row.notes).toEqual([note]);
});

test("a change of the reader's clocks is marked where it comes between two times", () => {
  const instants = ['2026-03-28T12:00:00+00:00', '2026-03-29T12:00:00+00:00', '2026-03-30T12:00Z'];
  const rows = timeRows(times(...instants), 'UTC', BERLIN, englishTexts, 'en-GB');

  expect(rows.map(row => row.notes)).toEqual([
    [],
    ['your clocks change before this: GMT+02:00 from then on'],
    []
  ]);
});

test('a zone that only the server knows is shown in its words', () => {
  const [row] = timeRows(times('2026-11-27T09:00:00Z'), 'Mars/Base', 'UTC', englishTexts);

  expect(row.there).toBe('as the server says');
  expect(isZone('Mars/Base')).toBe(false);
  expect(isZone('')).toBe(false);
});

test.each([
  ['2026-11-26T23:59:00+01:00', 'today 23:59'],
  ['2026-11-27T00:00:00+01:00', 'tomorrow 00:00'],
  ['2026-11-27T09:00:00+01:00', 'tomorrow 09:00'],
  ['2026-11-30T09:00:00+01:00', 'Monday 09:00'],
  ['2026-12-03T09:00:00+01:00', '3 Dec 09:00'],
  ['2027-12-03T09:00:00+01:00', '3 Dec 2027 09:00']
])('%s is said as %s', (at, words) => {
  expect(soonText(at, NOW, BERLIN, 'en-GB')).toBe(words);
});

test('days are counted by the clocks of the reader', () => {
  expect(soonText('2026-11-27T00:30:00+01:00', NOW, 'America/New_York', 'en-GB')).toBe(
    'today 18:30'
  );
});

test('offsets follow the clocks of a zone, and UTC is among the known ones once', () => {
  expect(offsetIn(new Date('2026-07-01T00:00Z'), BERLIN)).toBe('GMT+02:00');
  expect(offsetIn(new Date('2026-12-01T00:00Z'), BERLIN)).toBe('GMT+01:00');
  expect(knownZones().filter(zone => zone === 'UTC')).toHaveLength(1);
  expect(knownZones()).toContain(BERLIN);
});

import { nameParts } from '../src/components/nameParts';

const FAMILY = '👩‍👩‍👧‍👦';

test.each([
  ['a short name', 'sales-report', 'sales-report', ''],
  [
    'a long name',
    'quarterly-refresh-prices-of-all-shops-2026',
    'quarterly-refresh-prices-of-all-sho',
    'ps-2026'
  ],
  ['line ends and runs of blanks', ' one\n two\t\tthree  four ', 'one two thr', 'ee four'],
  ['accents of their own', `${'e\u0301'.repeat(20)}`, 'e\u0301'.repeat(13), 'e\u0301'.repeat(7)],
  ['pictures of several signs', FAMILY.repeat(14), FAMILY.repeat(7), FAMILY.repeat(7)],
  ['a name from right to left', 'تقرير المبيعات الشهري للفروع', 'تقرير المبيعات الشهري للفروع', ''],
  [
    'letters of both directions',
    'quarterly-report-מכירות-2026',
    'quarterly-report-מכירות-2026',
    ''
  ],
  [
    'a mark that turns the direction',
    'quarterly-\u202ereport-2026',
    'quarterly-\u202ereport-2026',
    ''
  ],
  ['blanks only', ' \n ', '', '']
])('%s is cut between letters, on one line', (_, name, start, end) => {
  expect(nameParts(name)).toEqual({ start, end });
});

import { formatAgo, formatDuration, formatElapsed, secondsRun } from '../src/drawing/durations';
import { englishTexts } from '../src/drawing/translation';
import table from './durations.json';
import { NOW, ago, task } from './records';

// the twin of this, for Python, has the same table
test.each(table)('$seconds seconds read $duration', ({ seconds, duration, elapsed }) => {
  expect(formatDuration(seconds)).toBe(duration);
  expect(formatElapsed(seconds)).toBe(elapsed);
});

test('what never began has no duration', () => {
  expect(secondsRun(task({ started_at: null }), NOW)).toBeNull();
});

test('what has ended does not grow', () => {
  const ended = task({ started_at: ago(60), ended_at: ago(32) });

  expect(secondsRun(ended, NOW)).toBe(28);
  expect(secondsRun(ended, NOW + 1000)).toBe(28);
});

test.each([
  [3, 'just now'],
  [44, 'just now'],
  [50, '1m ago'],
  [300, '5m ago'],
  [3590, '1h ago'],
  [7300, '2h ago'],
  [86400 * 3, '3d ago']
])('%p seconds ago reads %p', (seconds, text) => {
  expect(formatAgo(ago(seconds), NOW, englishTexts, 'en')).toBe(text);
});

import { formatAgo, formatDuration, formatElapsed, secondsRun } from '../src/drawing/durations';
import { englishTexts } from '../src/drawing/translation';
import { NOW, ago, task } from './records';

test.each([
  [0, '0.0 s'],
  [0.44, '0.4 s'],
  [9.94, '9.9 s'],
  [10, '00:10'],
  [28.9, '00:28'],
  [3723, '1:02:03'],
  [-1, '0.0 s']
])('a duration of %p seconds reads %p', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test.each([
  [7.9, '00:07'],
  [-3, '00:00'],
  [360_000, '100:00:00']
])('%p seconds that go on read %p', (seconds, text) => {
  expect(formatElapsed(seconds)).toBe(text);
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

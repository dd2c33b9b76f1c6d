import { formatIn } from '../src/drawing/durations';
import { formatBytes, formatShare } from '../src/drawing/sizes';
import { englishTexts } from '../src/drawing/translation';
import { NOW, ago } from './records';

test.each([
  [0, '0 B'],
  [900, '900 B'],
  [312 * 1024 ** 2, '312 MB'],
  [1.25 * 1024 ** 3, '1.3 GB'],
  [5000 * 1024 ** 4, '5,000 TB']
])('%d bytes are %s', (bytes, words) => {
  expect(formatBytes(bytes, 'en')).toBe(words);
});

test('a share has one unit', () => {
  expect(formatShare(300 * 1024 ** 2, 8 * 1024 ** 3, 'en')).toEqual(['0.3', '8 GB']);
});

test.each([
  [0, 'now'],
  [-20, 'in 20s'],
  [-90, 'in 2m'],
  [-3600, 'in 1h'],
  [-75600, 'in 21h'],
  [-172800, 'in 2d']
])('what is due %d seconds ago is due %s', (seconds, words) => {
  expect(formatIn(ago(seconds), NOW, englishTexts, 'en')).toBe(words);
});

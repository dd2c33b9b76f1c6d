import { isExact, jsonOrText, listedValue, writtenValue } from '../src/pages/lists/variablesPage';

test.each([
  ['plain', 'plain', '"plain"'],
  ['42', '"42"', '"42"'],
  ['"42"', '"\\"42\\""', '"\\"42\\""'],
  [42, '42', '42'],
  ['', '', '""'],
  [null, 'null', 'null'],
  [['EU'], '[\n  "EU"\n]', '[\n  "EU"\n]']
])('the value %j is written as %j, which is read back as %j', (value, written, json) => {
  expect(writtenValue(value)).toBe(written);
  expect(jsonOrText(written)).toBe(json);
  expect(JSON.parse(jsonOrText(written))).toEqual(value);
});

test('a whole number that a browser rounds is not changed by it', () => {
  expect(isExact({ a: [1, 0.1, '9007199254740993', null] })).toBe(true);
  expect(isExact({ a: [JSON.parse('9007199254740993')] })).toBe(false);
});

test('a list shows a value on one line, and cuts a long one', () => {
  expect(listedValue(['EU', { a: 1 }])).toBe('["EU",{"a":1}]');
  expect(listedValue('true')).toBe('"true"');
  expect(listedValue('x'.repeat(1000))).toHaveLength(501);
});

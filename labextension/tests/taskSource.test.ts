import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { editBetween, isTaskSource, loadsOrchestra, toggleTask } from '../src/cells/taskSource';
import type { ISourceEdit } from '../src/cells/taskSource';

/** The cells that the server's own reader is held to as well. */
const CELLS: { readonly tasks: string[]; readonly others: string[] } = JSON.parse(
  readFileSync(join(__dirname, 'taskCells.json'), 'utf8')
);

function apply(source: string, { start, end, text }: ISourceEdit): string {
  return source.slice(0, start) + text + source.slice(end);
}

describe('a task cell is told from others as by the server', () => {
  test.each(CELLS.tasks)('%j is a task', source => {
    expect(isTaskSource(source)).toBe(true);
  });

  test.each(CELLS.others)('%j is none', source => {
    expect(isTaskSource(source)).toBe(false);
  });
});

describe('the toggle', () => {
  test.each([
    ['an ordinary cell', 'x = 1', '%%task\nx = 1'],
    ['an empty cell', '', '%%task\n'],
    ['a task', '%%task load --retries 2  # why\nx = 1\n', 'x = 1\n'],
    ['a task without code', '%%task load', ''],
    ['a task below empty lines', '\n\n  %%task load\n  x = 1', '\n\n  x = 1']
  ])('of %s', (_, before, after) => {
    expect(apply(before, toggleTask(before, null).edit)).toBe(after);
  });

  test.each(CELLS.tasks)('off and on again loses nothing of %j', source => {
    const off = toggleTask(source, null);
    const without = apply(source, off.edit);
    const on = toggleTask(without, off.removedLine);

    expect(isTaskSource(without)).toBe(false);
    expect(on.removedLine).toBeNull();
    expect(apply(without, on.edit)).toBe(`${off.removedLine}\n${without}`);
    expect(source).toContain(off.removedLine);
  });
});

describe('the edit between two texts', () => {
  test.each([
    [
      'an option is added',
      '%%task a\nx',
      '%%task a --wait\nx',
      { start: 8, end: 8, text: ' --wait' }
    ],
    [
      'a number is another',
      '%%task --retries 2',
      '%%task --retries 3',
      { start: 17, end: 18, text: '3' }
    ],
    ['all is another', 'a', 'b', { start: 0, end: 1, text: 'b' }],
    ['nothing is', 'same', 'same', { start: 4, end: 4, text: '' }],
    ['something repeats', 'aa', 'aaa', { start: 2, end: 2, text: 'a' }]
  ])('where %s', (_, before, after, edit) => {
    expect(editBetween(before, after)).toEqual(edit);
    expect(apply(before, edit)).toBe(after);
  });

  test('never parts a character beyond the basic plane', () => {
    // U+1D400 and U+1D401 begin with the same half; U+1F400 and U+1D400 may end with the same
    for (const [before, after] of [
      ['\u{1D400}', '\u{1D401}'],
      ['x\u{1D400}y', 'x\u{1D800}y'],
      ['\u{1D400}', '\u{1F400}']
    ]) {
      const edit = editBetween(before, after);

      expect(apply(before, edit)).toBe(after);
      expect(edit.text).toBe([...edit.text].join(''));
      expect(edit.text).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/);
    }
  });
});

test.each([
  ['%load_ext orchestra_nb', true],
  ['import os\n  %load_ext  orchestra_nb  # now', true],
  ['%reload_ext orchestra_nb', true],
  ['%load_ext orchestra_nb_other', false],
  ['# %load_ext orchestra_nb', false]
])('whether %j makes %%%%task known', (source, isLoading) => {
  expect(loadsOrchestra(source)).toBe(isLoading);
});

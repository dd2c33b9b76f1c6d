import { treeKey } from '../src/drawing/treeKeys';

const ROWS = [
  { isOpen: null, level: 1 },
  { isOpen: true, level: 1 },
  { isOpen: null, level: 2 },
  { isOpen: null, level: 2 },
  { isOpen: false, level: 1 }
];

test.each([
  [0, 'ArrowDown', 1],
  [4, 'ArrowDown', 4],
  [3, 'ArrowUp', 2],
  [0, 'ArrowUp', 0],
  [2, 'Home', 0],
  [2, 'End', 4],
  [0, 'ArrowRight', 0],
  [1, 'ArrowRight', 2],
  [4, 'ArrowRight', 'toggle'],
  [1, 'ArrowLeft', 'toggle'],
  [3, 'ArrowLeft', 1],
  [4, 'ArrowLeft', 4],
  [0, 'a', null],
  [-1, 'ArrowDown', null]
])('from row %d %s leads to %s', (at, key, expected) => {
  expect(treeKey(ROWS, at, key)).toBe(expected);
});

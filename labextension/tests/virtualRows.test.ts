import { VirtualRows, rowWindow } from '../src/drawing/virtualRows';

const ROW = 30;

test.each([
  ['at the top', 0, 300, 1000, { first: 0, end: 18 }],
  ['in the middle', 15_000, 300, 1000, { first: 492, end: 518 }],
  ['at the end', 29_700, 300, 1000, { first: 982, end: 1000 }],
  ['beyond the end, after rows have gone', 29_700, 300, 20, { first: 2, end: 20 }],
  ['of a short list', 0, 300, 3, { first: 0, end: 3 }],
  ['of none', 0, 300, 0, { first: 0, end: 0 }]
])('the rows in sight and a few around are drawn %s', (_, top, height, count, expected) => {
  expect(rowWindow(top, height, ROW, count)).toEqual(expected);
});

function makeRows(count: number): {
  scroller: HTMLElement;
  list: HTMLElement;
  rows: VirtualRows;
  keys: string[];
} {
  const scroller = document.createElement('div');
  const list = document.createElement('div');
  scroller.append(list);
  document.body.replaceChildren(scroller);
  Object.defineProperty(scroller, 'clientHeight', { value: 300 });
  const keys = Array.from({ length: count }, (_, index) => `row ${index}`);
  const rows = new VirtualRows(scroller, list, ROW, (index, row) => {
    const node = row ?? document.createElement('button');
    node.textContent = keys[index];
    return node;
  });
  rows.update(keys);
  return { scroller, list, rows, keys };
}

function shown(list: HTMLElement): (string | null)[] {
  return [...list.children].map(row => row.textContent);
}

test('ten thousand rows are as high as all, and few are in the page', () => {
  const { list } = makeRows(10_000);

  expect(list.style.height).toBe('300000px');
  expect(list.childElementCount).toBe(18);
});

test('scrolling draws what comes into sight, in its order', () => {
  const { scroller, list } = makeRows(10_000);

  scroller.scrollTop = 150_000;
  scroller.dispatchEvent(new Event('scroll'));
  scroller.scrollTop = 149_400;
  scroller.dispatchEvent(new Event('scroll'));

  const rows = shown(list);
  expect(rows[0]).toBe('row 4972');
  expect(rows).toEqual([...rows].sort());
});

test('a row that has the focus stays when it is out of sight', () => {
  const { scroller, list } = makeRows(10_000);
  (list.children[2] as HTMLElement).focus();

  scroller.scrollTop = 150_000;
  scroller.dispatchEvent(new Event('scroll'));

  expect(document.activeElement?.textContent).toBe('row 2');
});

test('a row can be brought into sight', () => {
  const { scroller, rows } = makeRows(10_000);

  expect(rows.reveal(5000)?.textContent).toBe('row 5000');
  expect(scroller.scrollTop).toBe(5001 * ROW - 300);
  expect(rows.reveal(10)?.textContent).toBe('row 10');
  expect(scroller.scrollTop).toBe(10 * ROW);
});

test('what is in sight stays there when rows become higher, and lower again', () => {
  const { scroller, list, rows } = makeRows(402);
  let top = 300 * ROW + 12;
  Object.defineProperty(scroller, 'scrollTop', {
    get: () => top,
    // as a browser does: nothing is scrolled beyond its end
    set: (wanted: number) => (top = Math.min(wanted, parseFloat(list.style.height) - 300))
  });

  rows.setRowHeight(92);
  expect(Math.floor(top / 92)).toBe(300);
  expect(shown(list)).toContain('row 300');
  rows.setRowHeight(ROW);

  expect(top).toBeCloseTo(300 * ROW + 12);
  expect(shown(list)).toContain('row 300');
});

test('what is no row any more is gone', () => {
  const { list, rows, keys } = makeRows(20);

  rows.update(keys.slice(0, 5));

  expect(shown(list)).toEqual(['row 0', 'row 1', 'row 2', 'row 3', 'row 4']);
});

import { ApiError } from '../src/apiError';
import { html } from '../src/drawing/elements';
import { englishTexts } from '../src/drawing/translation';
import { ListTable, agoNode, twoLines, withCommand } from '../src/pages/lists/listTable';
import type { Cursor, IDone, IListPart } from '../src/pages/lists/listTable';
import type { IPageContext } from '../src/pages/page';
import { ManualClock } from './clockDouble';
import { ago } from './records';

interface IThing {
  readonly name: string;
  readonly count: number;
}

const clock = new ManualClock();
const context = { texts: englishTexts, clock, locale: 'en' } as unknown as IPageContext;

let asked: [string, Cursor][] = [];
let parts: (IListPart<IThing> | Error)[] = [];
let act: (thing: IThing) => Promise<IDone<IThing> | null> = async () => null;

function open(): ListTable<IThing> {
  const table = new ListTable<IThing>(context, {
    label: 'Things',
    filter: [
      ['some', 'Some'],
      ['', 'All']
    ],
    columns: [
      { label: 'Name', kind: 'name', show: thing => twoLines(thing.name, '') },
      { label: 'Count', kind: 'number', show: thing => String(thing.count) },
      { label: 'When', show: () => agoNode(context, ago(120)), isShown: filter => filter === '' }
    ],
    actions: [
      {
        label: 'Take',
        name: thing => `Take ${thing.name}`,
        isOffered: thing => thing.count > 0,
        act: thing => act(thing)
      }
    ],
    key: thing => thing.name,
    read: async (filter, cursor) => {
      asked.push([filter, cursor]);
      const part = parts.shift() ?? { rows: [], next: null };
      if (part instanceof Error) {
        throw part;
      }
      return part;
    },
    empty: () => withCommand('Make one: %1', 'orchestra make')
  });
  document.body.replaceChildren(table.node);
  return table;
}

/** Let all answers arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
  }
}

const names = (): (string | null)[] =>
  [...document.querySelectorAll('tbody th')].map(cell => cell.textContent);
const one = <T extends HTMLElement>(selector: string): T => {
  const found = document.querySelector<T>(selector);
  expect(found).not.toBeNull();
  return found as T;
};
const button = (label: string): HTMLButtonElement =>
  [...document.querySelectorAll('button')].find(
    node => (node.getAttribute('aria-label') ?? node.textContent) === label
  ) as HTMLButtonElement;
const A = { name: 'a', count: 1 };
const B = { name: '<b>b</b>', count: 0 };
const C = { name: 'c', count: 3 };

beforeEach(() => {
  asked = [];
  parts = [];
  act = async () => null;
});

test('parts are read one after the other, and text stays text', async () => {
  parts = [
    { rows: [A, B], next: 7 },
    { rows: [B, C], next: null }
  ];
  open();
  await settle();
  expect(names()).toEqual(['a', '<b>b</b>']);

  button('More').focus();
  button('More').click();
  await settle();

  expect(names()).toEqual(['a', '<b>b</b>', 'c']);
  expect(asked).toEqual([
    ['some', null],
    ['some', 7]
  ]);
  expect(button('More').hidden).toBe(true);
  expect(document.activeElement).toBe(button('Take c'));
  expect(button('Take <b>b</b>')).toBeUndefined();
});

test('an empty list teaches the first step', async () => {
  open();
  await settle();

  expect(one('.orc-empty').hidden).toBe(false);
  expect(one('.orc-empty > code').textContent).toBe('orchestra make');
  expect(one('table').hidden).toBe(true);
});

test('the filter reads anew, and has its own columns', async () => {
  const heads = (): (string | null)[] =>
    [...document.querySelectorAll('[data-label]')].map(node => node.getAttribute('data-label'));
  parts = [
    { rows: [A], next: null },
    { rows: [C], next: null }
  ];
  open();
  await settle();
  expect(heads()).toEqual(['Name', 'Count']);

  one<HTMLSelectElement>('select').value = '';
  one('select').dispatchEvent(new Event('change'));
  await settle();

  expect(names()).toEqual(['c']);
  expect(heads()).toEqual(['Name', 'Count', 'When']);
  expect(one('time').textContent).toBe('2m ago');
});

test('a row that is done with goes, and the focus is in the next', async () => {
  parts = [{ rows: [A, C], next: null }];
  act = async thing => ({ row: null, news: `${thing.name} is taken.` });
  open();
  await settle();

  button('Take a').focus();
  button('Take a').click();
  await settle();

  expect(names()).toEqual(['c']);
  expect(one('[role=status]').textContent).toBe('a is taken.');
  expect(document.activeElement).toBe(button('Take c'));

  button('Take c').click();
  await settle();
  expect(one('.orc-empty').hidden).toBe(false);
  expect(document.activeElement).toBe(one('select'));
});

test('a row that changed is shown anew in its place', async () => {
  parts = [{ rows: [A, C], next: null }];
  act = async thing => ({ row: { ...thing, count: 9 }, news: 'Counted.' });
  open();
  await settle();

  button('Take a').focus();
  button('Take a').click();
  button('Take a').click();
  await settle();

  expect(one('tbody tr:first-child td').textContent).toBe('9');
  expect(document.activeElement).toBe(button('Take a'));
});

test('what is refused is said, and the list stays', async () => {
  parts = [{ rows: [A], next: null }, new ApiError('No database.', 500, 'error')];
  act = async () => {
    throw new ApiError('Not yours.', 403, 'forbidden');
  };
  const table = open();
  await settle();

  button('Take a').click();
  await settle();
  expect(one('[role=alert]').textContent).toBe('Not yours.');

  await table.read();
  expect(one('[role=alert]').textContent).toBe('No database.');
  expect(names()).toEqual(['a']);
});

test('an answer that comes too late is not shown', async () => {
  parts = [{ rows: [A], next: null }];
  const table = open();
  table.dispose();
  await settle();

  expect(table.node.querySelector('tbody tr')).toBeNull();
  expect(html('p', {}, twoLines('a', 'b')).textContent).toBe('ab');
});

test('warnings stay until they are closed, whatever is read or done meanwhile', async () => {
  parts = [{ rows: [A, C], next: null }];
  act = async thing => ({ row: thing, news: `${thing.name} is taken.`, warnings: ['<i>odd</i>'] });
  const table = open();
  await settle();
  button('Take a').click();
  await settle();
  parts = [{ rows: [A, C], next: null }];
  button('Refresh').click();
  await settle();

  expect(one('.orc-news').textContent).toBe('');
  expect(one('.orc-warnings strong').textContent).toBe('a is taken.');
  expect([...document.querySelectorAll('.orc-warnings li')].map(item => item.textContent)).toEqual([
    '<i>odd</i>'
  ]);

  table.say('Something else');
  expect(document.querySelector('.orc-warnings')).not.toBeNull();
  button('Close').click();
  expect(document.querySelector('.orc-warnings')).toBeNull();
});

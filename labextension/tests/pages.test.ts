import { matchPath } from '../src/pages/registry';
import { cookie, pageSettings } from '../src/pages/standalone/pageSettings';
import { Router, pathOf } from '../src/pages/standalone/router';
import { pictureOf, tableOf } from '../src/pages/run/artifactsView';
import { linkedText, valueText } from '../src/pages/run/valueText';
import { Tabs } from '../src/pages/tabs';

test.each([
  [[], [], []],
  [['runs', ':run'], ['runs', 'a/b'], ['a/b']],
  [['runs', ':run'], ['runs', ''], null],
  [['runs', ':run'], ['runs'], null],
  [['runs', ':run'], ['flows', 'x'], null]
])('of the pattern %p the address %p gives %p', (pattern, path, parts) => {
  expect(matchPath(pattern, path)).toEqual(parts);
});

test.each([
  ['/user/a%40b/orchestra/', []],
  ['/user/a%40b/orchestra/runs/0a', ['runs', '0a']],
  ['/user/a%40b/orchestra/flows/sales%2F2026', ['flows', 'sales/2026']],
  ['/user/a%40b/orchestra/flows/%E0%A4%A', null],
  ['/elsewhere/', null]
])('the address %p is the page %p', (pathname, path) => {
  expect(pathOf(pathname, '/user/a%40b/orchestra/')).toEqual(path);
});

test('the address of a page is read back as the same page', () => {
  const router = new Router('/orchestra/', document.createElement('main'));
  const path = ['flows', 'sales/2026 ü?#'];

  expect(pathOf(router.href(path), '/orchestra/')).toEqual(path);
});

test('a request shows the token against forgery, and asks the server of the page in its language', async () => {
  document.cookie = 'other=1';
  document.cookie = '_xsrf=2|abc|def';
  const fetched = jest.fn().mockResolvedValue(null);
  global.fetch = fetched;
  document.documentElement.lang = 'de-DE';
  const settings = pageSettings('/user/ana/');

  await settings.send('http://localhost/x', {
    method: 'POST',
    body: '{}',
    headers: { 'If-Match': '"1"' }
  });

  expect(cookie('none')).toBe('');
  expect(settings.baseUrl).toBe('http://localhost/user/ana/');
  expect(settings.wsUrl).toBe('ws://localhost/user/ana/');
  expect(fetched.mock.calls[0][1]).toMatchObject({
    method: 'POST',
    body: '{}',
    credentials: 'same-origin',
    headers: { 'X-XSRFToken': '2|abc|def', 'If-Match': '"1"', 'Accept-Language': 'de-DE' }
  });
});

test('addresses in a text are links, and nothing else in it is anything', () => {
  const node = linkedText('see https://a.example/x?y=1, <b>not</b> javascript:alert(1)');

  expect([...node.querySelectorAll('*')].map(child => child.tagName)).toEqual(['A']);
  expect(node.querySelector('a')?.getAttribute('rel')).toBe('noreferrer noopener');
  expect(node.textContent).toBe('see https://a.example/x?y=1, <b>not</b> javascript:alert(1)');
});

test('a value is its text, or JSON', () => {
  expect(valueText('plain')).toBe('plain');
  expect(valueText({ a: [1] })).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(valueText(undefined)).toBe('');
  expect(valueText('x'.repeat(30_000))).toHaveLength(20_001);
});

test.each([
  [
    { a: [1, 2], b: ['x'] },
    {
      head: ['a', 'b'],
      rows: [
        [1, 'x'],
        [2, '']
      ]
    }
  ],
  [
    [{ a: 1 }, { b: 2 }],
    {
      head: ['a', 'b'],
      rows: [
        [1, ''],
        ['', 2]
      ]
    }
  ],
  [[[1, 2]], { head: ['1', '2'], rows: [[1, 2]] }],
  ['no table', null],
  [[1, 2], null],
  [{}, null],
  [[], null]
])('the table %j is drawn as %j', (data, table) => {
  expect(tableOf(data)).toEqual(table);
});

test('only pictures that are in the data itself are shown', () => {
  expect(pictureOf('image', 'https://elsewhere.example/track.png')).toBeNull();
  expect(pictureOf('image', 'data:image/svg+xml;base64,AAAA')).toBeNull();
  expect(pictureOf('image', 'data:image/png;base64,AAAA')).toBe('data:image/png;base64,AAAA');
  expect(pictureOf('display', { 'image/png': 'AAAA\n' })).toBe('data:image/png;base64,AAAA');
  expect(pictureOf('display', { 'image/png': '"><script>' })).toBeNull();
  expect(pictureOf('display', { 'text/html': '<b>x</b>' })).toBeNull();
});

test('arrows choose tabs, and pass over hidden ones', () => {
  const shown: string[] = [];
  const keys = ['graph', 'timeline', 'tasks'];
  const tabs = new Tabs(
    keys.map(key => ({ key, label: key })),
    'Views',
    key => shown.push(key)
  );
  document.body.replaceChildren(tabs.node);
  tabs.setHidden('timeline', true);
  const press = (key: string): void => {
    const tab = document.querySelector('[aria-selected="true"]');
    tab?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  };

  tabs.choose('timeline');
  tabs.choose('graph');
  press('ArrowRight');
  press('ArrowRight');
  press('ArrowLeft');

  expect(shown).toEqual(['graph', 'tasks', 'graph', 'tasks']);
  expect(document.activeElement?.textContent).toBe('tasks');
  expect(document.querySelectorAll('[role=tabpanel]:not([hidden])')).toHaveLength(1);
});

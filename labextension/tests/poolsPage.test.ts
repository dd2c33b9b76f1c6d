import { englishTexts } from '../src/drawing/translation';
import { PoolsPage } from '../src/pages/lists/poolsPage';
import type { IPageContext } from '../src/pages/page';
import { ManualClock } from './clockDouble';

/** Open the page for who has a role, and give its buttons and what it says of rights. */
async function open(role: string, isOwnersOnly: boolean): Promise<[string[], string]> {
  const answers: Record<string, unknown> = {
    me: { role, is_owners_only: isOwnersOnly },
    pools: { pools: [{ name: 'default', kind: 'service', is_paused: false }], next: null }
  };
  const page = new PoolsPage({
    texts: englishTexts,
    clock: new ManualClock(),
    pagesApi: { call: async (_: string, [path]: readonly string[]) => answers[path] }
  } as unknown as IPageContext);
  await new Promise(resolve => setTimeout(resolve));
  const buttons = page.node.querySelectorAll('tbody button');
  const rights = page.node.querySelector('.orc-list-rights')?.textContent ?? '';
  expect(page.node.querySelector('tbody th')?.textContent).toBe('default');
  page.dispose();
  return [[...buttons].map(button => button.textContent ?? ''), rights];
}

test.each([
  ['author', false, ['Change…', 'Pause'], ''],
  [
    'author',
    true,
    [],
    'Your role here is author. New pool, Change, Pause, Resume, Delete: takes the role admin.'
  ],
  ['admin', true, ['Change…', 'Pause'], ''],
  [
    'viewer',
    false,
    [],
    'Your role here is viewer. New pool, Change, Pause, Resume, Delete: takes the role author.'
  ]
])('who is %s, where things have owners %p, has the buttons %j', async (...row) => {
  const [role, isOwnersOnly, buttons, rights] = row;

  expect(await open(role, isOwnersOnly)).toEqual([buttons, rights]);
});

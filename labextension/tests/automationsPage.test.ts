import { englishTexts } from '../src/drawing/translation';
import { AutomationsPage } from '../src/pages/lists/automationsPage';
import type { IPageContext } from '../src/pages/page';
import { ManualClock } from './clockDouble';

/** Open the page of no automation for who has a role, and give what it says of that. */
async function open(role: string, isOwnersOnly: boolean): Promise<string> {
  const answers: Record<string, unknown> = {
    me: { role, is_owners_only: isOwnersOnly },
    automations: { automations: [], next: null }
  };
  const page = new AutomationsPage({
    texts: englishTexts,
    clock: new ManualClock(),
    pagesApi: { call: async (_: string, [path]: readonly string[]) => answers[path] }
  } as unknown as IPageContext);
  await new Promise(resolve => setTimeout(resolve));
  const words = page.node.querySelector('.orc-empty')?.textContent ?? '';
  page.dispose();
  return words;
}

test.each([
  ['author', false, 'No automations yet. Make one here'],
  ['author', true, 'There is nothing here that is yours, or shared with you.'],
  ['admin', true, 'No automations yet. Make one here']
])('who is %s, where things have owners %p, reads %j', async (role, isOwnersOnly, words) => {
  expect(await open(role, isOwnersOnly)).toContain(words);
});

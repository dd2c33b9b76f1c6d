import { Signal } from '@lumino/signaling';

import { englishTexts } from '../src/drawing/translation';
import type { IPageContext } from '../src/pages/page';
import { QuestionsBlock } from '../src/pages/run/questionsBlock';
import { ManualClock } from './clockDouble';
import { id, run } from './records';

test.each([
  ['nobody here can start', null, 'Send answer'],
  ['is of a deployment', 'nightly', 'Resume']
])('the button for a suspended run that %s is not called as its field', async (...row) => {
  const [, deployment, label] = row;
  const question = {
    ...{ key: 'rate', schema: { type: 'number' }, description: 'Which rate?' },
    ...{ answered_at: null, answered_by: null }
  };
  const block = new QuestionsBlock(
    {
      texts: englishTexts,
      clock: new ManualClock(),
      runs: { asked: new Signal({}), connectionChanged: new Signal({}), connection: 'connected' },
      pagesApi: { listQuestions: async () => [question] }
    } as unknown as IPageContext,
    id(100)
  );

  block.update(run({ state: 'PAUSED', driver_id: null, deployment }));
  await new Promise(resolve => setTimeout(resolve));

  expect(block.node.querySelector('[type=submit]')?.textContent).toBe(label);
  expect(block.node.querySelector('label')?.textContent).toMatch(/^Answer/);
  block.dispose();
});

import { Signal } from '@lumino/signaling';

import { englishTexts } from '../src/drawing/translation';
import type { IPageContext } from '../src/pages/page';
import { QuestionsBlock } from '../src/pages/run/questionsBlock';
import { ManualClock } from './clockDouble';
import { id, run } from './records';

/** Give the block of a suspended run that asks for a number. */
async function asking({
  description = 'Which rate?',
  deployment = null,
  name = 'calm-fox'
}: {
  description?: string;
  deployment?: string | null;
  name?: string;
}): Promise<QuestionsBlock> {
  const question = {
    ...{ key: 'rate', schema: { type: 'number' }, description },
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
  block.update(run({ state: 'PAUSED', driver_id: null, deployment, name }));
  await new Promise(resolve => setTimeout(resolve));
  return block;
}

test('what is asked is Markdown, whose first line is the heading, and no HTML', async () => {
  const description = [
    'Is *this* <b>right</b>?',
    '',
    '- 3 rows\n- <img src=x onerror=alert(1)>',
    '',
    'one\ntwo'
  ].join('\n');

  const block = await asking({ description });

  const [heading, more] = block.node.querySelectorAll('h2, .orc-markdown');
  expect(heading.querySelector('.orc-question')?.innerHTML).toBe(
    'Is <em>this</em> &lt;b&gt;right&lt;/b&gt;?'
  );
  expect(more.innerHTML).toBe(
    '<ul><li>3 rows</li><li>&lt;img src=x onerror=alert(1)&gt;</li></ul><p>one<br>two</p>'
  );
  block.dispose();
});

test.each([
  ['', 'Run calm-fox waits for an answer', 0],
  ['```\ncode\n```', 'Run calm-fox waits for an answer', 1],
  ['# Review', 'Review', 0]
])('a question of %j has a heading', async (description, heading, others) => {
  const block = await asking({ description });

  expect(block.node.querySelector('.orc-question')?.textContent).toBe(heading);
  expect(block.node.querySelectorAll('.orc-markdown')).toHaveLength(others);
  block.dispose();
});

test.each([
  ['nobody here can start', null, 'Send answer'],
  ['is of a deployment', 'nightly', 'Resume']
])('the button for a suspended run that %s is not called as its field', async (...row) => {
  const [, deployment, label] = row;

  const block = await asking({ deployment });

  expect(block.node.querySelector('[type=submit]')?.textContent).toBe(label);
  expect(block.node.querySelector('label')?.textContent).toMatch(/^Answer/);
  block.dispose();
});

test('the command to resume a run whose name no shell takes as it stands has its id', async () => {
  const block = await asking({ name: 'load 3; echo hi' });

  expect(block.node.textContent).toContain(`orchestra runs resume ${id(100)}`);
  block.dispose();
});

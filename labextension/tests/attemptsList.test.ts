import { englishTexts } from '../src/drawing/translation';
import type { IPageContext } from '../src/pages/page';
import { AttemptsList } from '../src/pages/run/attemptsList';
import { readRunAttempt } from '../src/pages/run/runAttempts';
import type { IRunAttempt } from '../src/pages/run/runAttempts';
import { ManualClock } from './clockDouble';
import { ago, run } from './records';

const FIRST = readRunAttempt({
  ...{ number: 1, state: 'FAILED', message: 'Task load failed', reason: '' },
  ...{ started_at: ago(7200), ended_at: ago(7158), driver: 'service', host: 'north', pid: 7 },
  output_path: '/store/1.ipynb'
}) as IRunAttempt;
const SECOND = readRunAttempt({
  ...{ number: 2, state: 'RUNNING', message: '', reason: 'retried by ana: <b>mended</b>' },
  ...{ started_at: ago(12), ended_at: null, driver: null, host: null, pid: null, output_path: null }
}) as IRunAttempt;

let told: readonly IRunAttempt[] | Error;
let asked: number;
let shown: number[];
let list: AttemptsList;

beforeEach(() => {
  [told, asked, shown] = [[FIRST, SECOND], 0, []];
  const context = {
    texts: englishTexts,
    clock: new ManualClock(),
    locale: 'en',
    pagesApi: {
      listRunAttempts: async () => {
        asked += 1;
        if (told instanceof Error) {
          throw told;
        }
        return told;
      }
    }
  } as unknown as IPageContext;
  list = new AttemptsList(context, attempt => shown.push(attempt));
});

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await Promise.resolve();
  }
}

function items(): string[][] {
  return [...list.node.querySelectorAll('li')].map(item =>
    [...item.querySelectorAll('strong, .orc-word, .orc-time, .orc-detail, button, p')].map(
      ({ textContent }) => textContent ?? ''
    )
  );
}

test('a run that was begun once has no attempts to show', () => {
  list.update(run({ epoch: 1 }));

  expect(list.button.hidden).toBe(true);
  expect(list.node.hidden).toBe(true);
});

test('what became of each attempt is read when it is asked for, the newest first', async () => {
  list.update(run({ epoch: 2 }));
  expect([list.button.textContent, list.button.hidden, list.node.hidden, asked]).toEqual([
    ...['attempt 2 of 2', false, true, 0]
  ]);

  list.button.click();
  await settle();

  expect(list.button.getAttribute('aria-expanded')).toBe('true');
  expect(items()).toEqual([
    ['Attempt 2', 'Running', 'begun just now', 'retried by ana: <b>mended</b>'],
    [
      ...['Attempt 1', 'Failed', 'begun 2h ago', '42 s', 'service on north'],
      ...['Executed notebook', 'Task load failed']
    ]
  ]);
  list.node.querySelector<HTMLElement>('li button')?.click();
  expect(shown).toEqual([1]);
});

test('the list is read anew when the run goes on, while it is open', async () => {
  list.update(run({ epoch: 2 }));
  list.button.click();
  await settle();
  told = [FIRST, { ...SECOND, state: 'COMPLETED', ended_at: ago(2) }];

  list.update(run({ epoch: 2 }));
  await settle();
  expect(asked).toBe(1);
  list.update(run({ epoch: 2, state: 'COMPLETED' }));
  await settle();
  expect(items()[0]).toEqual([
    ...['Attempt 2', 'Completed', 'begun just now', '10 s', 'retried by ana: <b>mended</b>']
  ]);

  list.button.click();
  list.update(run({ epoch: 3, state: 'RUNNING' }));
  await settle();
  expect([list.node.hidden, list.button.textContent, asked]).toEqual([true, 'attempt 3 of 3', 2]);
});

test('why the attempts cannot be read is said in their place', async () => {
  told = new Error('The store is away.');
  list.update(run({ epoch: 2 }));

  list.button.click();
  await settle();

  expect(list.node.querySelector('[role=status]')?.textContent).toContain('The store is away.');
});

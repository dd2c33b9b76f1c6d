import { Signal } from '@lumino/signaling';

import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import type { IPageContext } from '../src/pages/page';
import type { IRunQuestion } from '../src/pages/pagesApi';
import { RunQuestions } from '../src/pages/run/runQuestions';
import { ManualClock } from './clockDouble';
import { id, run } from './records';

const QUESTION: IRunQuestion = {
  ...{ key: 'go', schema: null, description: 'Go on?' },
  ...{ answered_at: null, answered_by: null }
};

let clock: ManualClock;
let asked: number;
/** So many readings from now on fail. */
let failures: number;
let questions: RunQuestions;

beforeEach(() => {
  clock = new ManualClock();
  [asked, failures] = [0, 0];
  const listQuestions = async (): Promise<readonly IRunQuestion[]> => {
    asked += 1;
    failures -= 1;
    if (failures >= 0) {
      throw new ApiError('503 Service Unavailable', 503, 'error');
    }
    return [QUESTION];
  };
  const runs = {
    asked: new Signal({}),
    connectionChanged: new Signal({}),
    connection: 'connected'
  };
  questions = new RunQuestions(
    { texts: englishTexts, clock, runs, pagesApi: { listQuestions } } as unknown as IPageContext,
    id(100)
  );
});

/** Let so many seconds go by, and all answers arrive. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second <= seconds; second++) {
    if (second > 0) {
      clock.advance(1);
    }
    for (let turn = 0; turn < 20; turn++) {
      await Promise.resolve();
    }
  }
}

test('a question that could not be read is read again in some seconds', async () => {
  failures = 1;
  questions.follow(run({ state: 'PAUSED' }));
  await pass(3);
  expect([asked, questions.problem, questions.all]).toEqual([1, '503 Service Unavailable', []]);

  await pass(1);

  expect([asked, questions.problem, questions.all]).toEqual([2, '', [QUESTION]]);
  expect(clock.followers.size).toBe(0);
});

test('the more often reading them fails, the longer it waits', async () => {
  failures = 100;
  questions.follow(run({ state: 'PAUSED' }));
  await pass(4 + 8 + 16);
  expect(asked).toBe(4);

  await pass(31);
  expect(asked).toBe(4);
});

test.each([
  ['has ended', () => questions.follow(run({ state: 'CANCELLED' }))],
  ['is looked at no more', () => questions.dispose()]
])('nothing is asked for a run that %s', async (_, end) => {
  failures = 100;
  questions.follow(run({ state: 'PAUSED' }));
  await pass(1);

  end();
  await pass(20);

  expect([asked, clock.followers.size]).toEqual([1, 0]);
});

import { englishTexts } from '../src/drawing/translation';
import type { IPageContext } from '../src/pages/page';
import { FailureBlock } from '../src/pages/run/failureBlock';
import { RunHeader } from '../src/pages/run/runHeader';
import type { RunRecords } from '../src/pages/run/runRecords';
import { canSetState, whoSetState } from '../src/pages/run/stateSetting';
import { ValuesView } from '../src/pages/run/valuesView';
import type { IRun } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ERROR, ago, id, run, task } from './records';

const CONTEXT = {
  texts: englishTexts,
  clock: new ManualClock(),
  locale: 'en',
  href: (path: readonly string[]) => `/orchestra/${path.join('/')}`,
  go: () => undefined,
  notebook: () => null,
  serverPaths: () => []
} as unknown as IPageContext;

const FAILED = task({ state: 'FAILED', error: ERROR, ended_at: ago(1) });

function recordsOf(of: IRun): RunRecords {
  return {
    ...{ run: of, tasks: [FAILED], cells: [], all: [FAILED], failure: FAILED, failures: [FAILED] },
    expectedSeconds: null
  } as unknown as RunRecords;
}

function stateButton(header: RunHeader): HTMLButtonElement {
  const buttons = [...header.node.querySelectorAll('button')];
  return buttons.find(({ textContent }) => textContent === 'Set state…') as HTMLButtonElement;
}

test.each([
  ['RUNNING', 'driver', false],
  ['PAUSED', 'driver', false],
  ['PAUSED', null, true],
  ['SCHEDULED', null, false],
  ['CANCELLING', 'driver', false],
  ['COMPLETED', 'driver', true],
  ['CRASHED', 'driver', true]
])('whether the state %s, driven by %p, can be set: %p', (state, driver_id, isOffered) => {
  const of = run({ state, driver_id });
  const header = new RunHeader(CONTEXT, () => undefined);

  header.update(recordsOf(of));

  expect(canSetState(of)).toBe(isOffered);
  expect(stateButton(header).hidden).toBe(!isOffered);
});

test('a run that was set to completed says by whom, and leads with no failure', () => {
  const message = 'set to COMPLETED by ana: <b>checked</b>';
  const of = run({ state: 'COMPLETED', message, ended_at: ago(0) });
  const header = new RunHeader(CONTEXT, () => undefined);
  const failure = new FailureBlock(CONTEXT, () => undefined);
  failure.update(recordsOf(run({ state: 'FAILED' })));
  expect(failure.node.hidden).toBe(false);

  header.update(recordsOf(of));
  failure.update(recordsOf(of));

  expect(failure.node.hidden).toBe(true);
  expect(failure.node.childElementCount).toBe(0);
  expect(header.node.querySelector('.orc-run-message')?.textContent).toBe(
    'Set to Completed by ana: <b>checked</b>'
  );
});

test('who set a run to have failed is told, once and in the words of the reader', () => {
  const of = run({
    state: 'FAILED',
    message: 'set to FAILED by ana: wrong data',
    ended_at: ago(0)
  });
  const records = {
    ...recordsOf(of),
    tasks: [],
    all: [],
    failure: null,
    failures: []
  } as unknown as RunRecords;
  const header = new RunHeader(CONTEXT, () => undefined);
  const failure = new FailureBlock(CONTEXT, () => undefined);

  header.update(records);
  failure.update(records);

  expect(header.node.querySelector('.orc-run-message')?.textContent).toBe(
    'Set to Failed by ana: wrong data'
  );
  expect(failure.node.querySelector('h2')?.textContent).toBe('Failed');
});

test.each(['FAILED', 'CRASHED', 'TIMED_OUT', 'CANCELLED', 'RUNNING'])(
  'what failed stands first on the page of a run that is %s',
  state => {
    const failure = new FailureBlock(CONTEXT, () => undefined);

    failure.update(recordsOf(run({ state })));

    expect(failure.node.hidden).toBe(false);
    expect(failure.node.textContent).toContain(ERROR.message);
  }
);

test('only the message of the state that it has now tells who set it', () => {
  expect(whoSetState(run({ state: 'FAILED', message: 'set to COMPLETED by ana' }))).toBeNull();
  expect(whoSetState(run({ state: 'COMPLETED', message: '' }))).toBeNull();
});

test('of cells that are run one by one it is said where their values are', async () => {
  const values = new ValuesView({ texts: englishTexts, readValues: async () => [] });
  const notice = (): string => values.node.querySelector('.orc-empty')?.textContent ?? '';

  values.update(id(100), 'COMPLETED', true);
  await Promise.resolve();
  await Promise.resolve();
  expect(notice()).toContain('stands in the notebook, below each');

  values.update(id(101), 'COMPLETED', false);
  await Promise.resolve();
  await Promise.resolve();
  expect(notice()).toContain('This run has recorded and returned nothing.');
});

function againButton(header: RunHeader): HTMLButtonElement {
  const buttons = [...header.node.querySelectorAll('button')];
  return buttons.find(({ textContent }) => textContent === 'Run again…') as HTMLButtonElement;
}

test.each([
  ['a flow whose code was kept', { kind: 'flow' }, 'orchestra runs again calm-fox', true],
  ['a flow whose code was not kept', { kind: 'flow' }, '', false],
  ['a flow that goes on', { kind: 'flow', state: 'RUNNING' }, 'never asked', false],
  ['a task', { kind: 'task' }, 'never asked', false]
])('of no deployment %s is run again: by %p', async (_, changes, command, isOffered) => {
  const header = new RunHeader(
    {
      ...CONTEXT,
      pagesApi: { readOutlook: async () => ({ new_run: { deployment: null, command } }) }
    } as unknown as IPageContext,
    () => undefined
  );

  header.update(recordsOf(run({ state: 'COMPLETED', ended_at: ago(0), ...changes })));
  await Promise.resolve();
  await Promise.resolve();

  expect(againButton(header).hidden).toBe(!isOffered);
});

test.each([
  ['calm-fox', 'calm-fox'],
  ['load 3; echo hi', id(100)],
  ['--all', id(100)],
  ['calm-fox\n', id(100)]
])('the command to retry a run of the name %j names it in a shell', (name, typed) => {
  const header = new RunHeader(CONTEXT, () => undefined);

  header.update(recordsOf(run({ name, kind: 'flow', state: 'FAILED', ended_at: ago(0) })));

  const commands = [...header.node.querySelectorAll('code')].map(({ textContent }) => textContent);
  expect(commands).toContain(`orchestra runs retry ${typed}`);
});

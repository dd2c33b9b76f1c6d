import { TaskLine } from '../src/drawing/taskLine';
import type { ITaskActions } from '../src/drawing/taskLine';
import { englishTexts } from '../src/drawing/translation';
import type { ITaskView } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ERROR, ago, task } from './records';

let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
  document.body.replaceChildren();
});

function output(changes: Partial<ITaskView>, live = true, cluster = '') {
  return { view: 'task', task: task(changes), live, cluster } as const;
}

function draw(
  changes: Partial<ITaskView>,
  live = true,
  cluster = '',
  actions: ITaskActions = {}
): TaskLine {
  const line = new TaskLine(output(changes, live, cluster), {
    texts: englishTexts,
    clock,
    actions,
    locale: 'en'
  });
  document.body.append(line.node);
  return line;
}

function shown(line: TaskLine): string {
  const parts = [...line.node.querySelectorAll('.orc-line > *, .orc-word, .orc-actions > *')];
  return parts
    .filter(part => part.childElementCount === 0 && !(part as HTMLElement).hidden)
    .map(part => part.textContent)
    .join(' | ');
}

describe('the line says', () => {
  test.each<[string, Partial<ITaskView>, string, string]>([
    [
      'how long it runs of what is expected',
      { expected_seconds: 30, attempt: 2, max_attempts: 4 },
      '',
      'Running | clean | 12 s of ~30 s | attempt 2 of 4 | worker 1'
    ],
    ['a worker by its own name', { worker: 'gpu-box' }, '', 'Running | clean | 12 s | gpu-box'],
    [
      'what it waits for',
      { state: 'PENDING', started_at: null, created_at: ago(1), message: 'waits for load' },
      '',
      'Pending | clean | waits for load'
    ],
    [
      'what the cluster does, and how long it has waited',
      { state: 'PENDING', started_at: null, created_at: ago(5) },
      'starting the local cluster',
      'Pending | clean | waiting 5 s | starting the local cluster'
    ],
    [
      'nothing of the cluster once it has begun',
      {},
      'starting the local cluster',
      'Running | clean | 12 s | worker 1'
    ],
    [
      'when the next attempt comes',
      { state: 'RETRYING', message: 'retry in 0:20', attempt: 1, max_attempts: 3 },
      '',
      'Retrying | clean | 12 s | attempt 1 of 3 | worker 1 | retry in 0:20'
    ]
  ])('%s', (_, changes, cluster, text) => {
    expect(shown(draw(changes, true, cluster))).toBe(text);
  });

  test.each<[string, Partial<ITaskView>, string]>([
    [
      'how long it took',
      { state: 'COMPLETED', started_at: ago(40), ended_at: ago(12) },
      'Completed | clean | 28 s'
    ],
    [
      'the exception and where it was raised',
      { state: 'FAILED', error: ERROR, ended_at: ago(2) },
      "Failed | clean | ValueError: could not convert 'n/a' to float | cell 4, line 3"
    ],
    [
      'only the line where the cell is its own',
      { state: 'FAILED', error: { ...ERROR, cell: 'clean', message: '' }, ended_at: ago(2) },
      'Failed | clean | ValueError | line 3'
    ],
    [
      'why it crashed',
      { state: 'CRASHED', message: 'process exited with 3', ended_at: ago(2), attempt: 2 },
      'Crashed | clean | process exited with 3 | attempt 2'
    ],
    [
      'who cancelled it',
      { state: 'CANCELLED', message: 'cancelled by user ana', ended_at: ago(2) },
      'Cancelled | clean | 10 s | cancelled by user ana'
    ],
    ['that it was not over when it was saved', {}, 'Running when saved | clean']
  ])('%s', (_, changes, text) => {
    expect(shown(draw(changes, false))).toBe(text);
  });
});

test('the elapsed time goes on while it is live, and stops at the end', () => {
  const line = draw({});

  clock.advance(3);
  expect(shown(line)).toContain('15 s');

  line.update(output({ state: 'COMPLETED', ended_at: ago(0) }, false));
  clock.advance(3);
  expect(shown(line)).toBe('Completed | clean | 12 s');
  expect(clock.followers.size).toBe(0);
});

test('a disposed line leaves the page and the clock', () => {
  const line = draw({});

  line.dispose();

  expect(clock.followers.size).toBe(0);
  expect(document.querySelector('.orc-task')).toBeNull();
});

test('the end is told to screen readers once', () => {
  const line = draw({});
  const news = line.node.querySelector('[role=status]');
  expect(news?.textContent).toBe('');

  line.update(output({ state: 'FAILED', error: ERROR }, false));

  expect(news?.textContent).toBe('clean: Failed');
});

test('attributes tell the state to style sheets and tests', () => {
  const line = draw({});

  expect(line.node.dataset).toMatchObject({
    orchestraTask: 'clean',
    state: 'RUNNING',
    tone: 'running',
    live: 'true'
  });
});

test('a click opens the facts and the trace, an update leaves them open', () => {
  const line = draw({ state: 'FAILED', error: ERROR }, false);
  const toggle = line.node.querySelector<HTMLElement>('.orc-toggle');
  const facts = line.node.querySelector<HTMLElement>('.orc-facts');
  expect(facts?.hidden).toBe(true);

  toggle?.click();
  line.update(output({ state: 'FAILED', error: ERROR }, false));

  expect(facts?.hidden).toBe(false);
  expect(toggle?.getAttribute('aria-expanded')).toBe('true');
  expect(facts?.id).toBe(toggle?.getAttribute('aria-controls'));
  expect(facts?.textContent).toContain('Traceback (most recent call last)');
  expect(facts?.textContent).toContain('float(text)');
});

test('an update keeps the focus', () => {
  const line = draw({});
  const toggle = line.node.querySelector<HTMLElement>('.orc-toggle');
  toggle?.focus();

  line.update(output({ attempt: 2, max_attempts: 4 }));

  expect(document.activeElement).toBe(toggle);
});

test('only what is wired has a button, and Cancel only while there is something to cancel', () => {
  const asked: string[] = [];
  const actions = {
    openLogs: (task: ITaskView) => asked.push(`logs of ${task.name}`),
    cancel: (task: ITaskView) => asked.push(`cancel ${task.name}`)
  };
  const buttons = (line: TaskLine): HTMLButtonElement[] =>
    [...line.node.querySelectorAll<HTMLButtonElement>('.orc-actions > button')].filter(
      button => !button.hidden
    );

  const live = draw({}, true, '', actions);
  buttons(live).forEach(button => button.click());
  expect(asked).toEqual(['logs of clean', 'cancel clean']);
  expect(buttons(draw({}))).toEqual([]);
  expect(buttons(draw({ state: 'COMPLETED' }, false, '', actions))).toHaveLength(1);
  live.update(output({ state: 'CANCELLING' }));
  expect(buttons(live)[1].disabled).toBe(true);
});

test('what comes from a notebook is text, never markup', () => {
  const evil = '<img src=x onerror="window.pwned = 1"><script>window.pwned = 1</script>';
  const error = { ...ERROR, type: evil, message: evil, cell: evil, traceback: evil };
  const line = draw(
    { name: evil, state: 'FAILED', message: evil, worker: evil, error, tags: { [evil]: evil } },
    false
  );

  expect(line.node.querySelector('img, script')).toBeNull();
  expect(line.node.querySelector('.orc-name')?.textContent).toBe(evil);
  expect(line.node.querySelector('.orc-error')?.textContent).toBe(`${evil}: ${evil}`);
});

test.each([
  ['that can be resumed from', true],
  ['of a run that goes on', false]
])('a cell %s offers it only then', (_, isEnded) => {
  const resumed: string[] = [];
  const actions: ITaskActions = {
    resume: one => resumed.push(one.cell_id ?? ''),
    canResume: one => isEnded && one.cell_id !== null
  };
  const line = draw({ state: 'FAILED', cell_id: 'c2' }, false, '', actions);
  const offered = [...line.node.querySelectorAll<HTMLElement>('.orc-actions > button')].filter(
    one => !one.hidden && one.textContent === 'Resume from here…'
  );

  offered.forEach(one => one.click());

  expect(resumed).toEqual(isEnded ? ['c2'] : []);
});

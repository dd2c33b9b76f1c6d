import widget from '../src/widget/index';
import { isDark } from '../src/widget/theme';
import { NOW, id, run, task } from './records';

type Listener = (content?: unknown) => void;

const { render } = widget;

/** What anywidget gives, and a kernel that answers what `answers` has. */
class Model {
  constructor(
    private _output: unknown,
    private readonly _answers: Readonly<Record<string, unknown>> = {}
  ) {}

  get(name: string): unknown {
    return name === 'output' ? this._output : name === 'key' ? 'one' : undefined;
  }

  on(event: string, listener: Listener): void {
    this.listeners.add({ event, listener });
  }

  off(event: string, listener: Listener): void {
    for (const one of this.listeners) {
      if (one.event === event && one.listener === listener) {
        this.listeners.delete(one);
      }
    }
  }

  set(output: unknown): void {
    this._output = output;
    this.tell('change:output');
  }

  send(content: unknown): void {
    const { id, ask, orchestra, ...fields } = content as Record<string, unknown>;
    expect(orchestra).toBe('ask');
    if (ask !== 'output') {
      this.asked.push([ask, fields]); // each widget asks once for what it may have missed
    }
    const answer = this._answers[String(ask)];
    if (answer instanceof Error) {
      this.tell('msg:custom', { orchestra: 'answer', id, error: answer.message });
    } else if (answer !== undefined) {
      this.tell('msg:custom', { orchestra: 'answer', id, answer });
    }
  }

  tell(event: string, content?: unknown): void {
    for (const one of [...this.listeners]) {
      if (one.event === event) {
        one.listener(content);
      }
    }
  }

  readonly asked: [unknown, unknown][] = [];
  readonly listeners = new Set<{ event: string; listener: Listener }>();
}

beforeAll(() => {
  // jsdom has no media queries.
  window.matchMedia = (media: string) =>
    ({
      media,
      matches: false,
      addEventListener: () => undefined,
      removeEventListener: () => undefined
    }) as unknown as MediaQueryList;
});

beforeEach(() => {
  document.body.replaceChildren();
  document.body.removeAttribute('data-jp-theme-light');
  jest.useFakeTimers({ now: NOW });
});

afterEach(() => {
  jest.runOnlyPendingTimers(); // what was taken out of the page is forgotten
  jest.useRealTimers();
});

const TASK = { version: 1, view: 'task', task: task(), cluster: '', live: true };

function shadow(): ShadowRoot {
  const root = document.querySelector('.orc-widget')?.shadowRoot;
  if (!root) {
    throw new Error('The widget has no shadow root.');
  }
  return root;
}

test('the widget draws its output, follows it, and leaves nothing behind', () => {
  const model = new Model(TASK);
  const clean = render({ model, el: document.body });
  expect(shadow().querySelector('.orc-task')?.getAttribute('data-state')).toBe('RUNNING');
  expect(shadow().querySelector('style')?.textContent).not.toBe('');

  model.set({ ...TASK, task: task({ state: 'COMPLETED' }), live: false });
  expect(shadow().querySelector('.orc-task')?.getAttribute('data-state')).toBe('COMPLETED');

  clean();
  expect(document.body.childElementCount).toBe(0);
  jest.advanceTimersByTime(1000);
  expect(model.listeners.size).toBe(0);
});

test('what the kernel said before the front end had loaded the widget is made up for', async () => {
  const missed = { ...TASK, task: task({ state: 'COMPLETED' }), live: false };
  const model = new Model(TASK, { output: missed });
  const clean = render({ model, el: document.body });
  const state = (): string | null =>
    shadow().querySelector('.orc-task')?.getAttribute('data-state') ?? null;
  expect(state()).toBe('RUNNING');

  await jest.advanceTimersByTimeAsync(0);
  expect(state()).toBe('COMPLETED');

  model.set({ ...TASK, task: task({ state: 'FAILED' }) });
  expect(state()).toBe('FAILED');
  clean();
});

test('another view takes the place of the first, and what is no output draws nothing', () => {
  const model = new Model({});
  const clean = render({ model, el: document.body });
  expect(shadow().querySelector('.orc-task, .orc-flow')).toBeNull();

  model.set(TASK);
  model.set({ version: 1, view: 'flow', run: run(), tasks: [task()], edges: [], live: true });

  expect(shadow().querySelectorAll('.orc-flow')).toHaveLength(1);
  expect(shadow().querySelectorAll('.orc-nodes > li')).toHaveLength(1);
  clean();
});

test.each([
  ['JupyterLab, light', { 'data-jp-theme-light': 'true' }, false],
  ['JupyterLab, dark', { 'data-jp-theme-light': 'false' }, true],
  ['VS Code, dark', { 'data-vscode-theme-kind': 'vscode-dark' }, true],
  ['VS Code, high contrast', { 'data-vscode-theme-kind': 'vscode-high-contrast' }, true],
  ['VS Code, light', { 'data-vscode-theme-kind': 'vscode-light' }, false],
  ['a plain page', {}, false]
])('the theme of %s is found', (_, attributes, expected) => {
  const page = document.implementation.createHTMLDocument();
  Object.entries(attributes).forEach(([name, value]) => page.body.setAttribute(name, value));

  expect(isDark(page)).toBe(expected);
});

test('the theme of Colab is found', () => {
  const page = document.implementation.createHTMLDocument();
  page.documentElement.setAttribute('theme', 'dark');

  expect(isDark(page)).toBe(true);
});

const FLOW = {
  version: 1,
  view: 'flow',
  run: run({ kind: 'interactive' }),
  tasks: [task(), task({ task_run_id: id(2), name: 'plot', state: 'FAILED' })],
  edges: [],
  live: true
};
const ENDED = { ...FLOW, run: { ...FLOW.run, state: 'FAILED' }, live: false };
ENDED.tasks = [task({ state: 'CANCELLED' }), FLOW.tasks[1]];

function press(label: string): void {
  const all = [...shadow().querySelectorAll<HTMLButtonElement>('button')];
  const found = all.find(one => one.textContent === label);
  expect(found?.hidden).toBe(false);
  found?.click();
}

function problem(): string {
  return shadow().querySelector('.orc-problem')?.textContent ?? '';
}

test('log lines and results are asked of the kernel when somebody looks', async () => {
  const line = {
    sequence: 7,
    message: 'read',
    level: 20,
    task_run_id: id(1),
    logger: '',
    at: null
  };
  const model = new Model(FLOW, {
    logs: { lines: [line], after: { [id(100)]: 7 }, is_more: false },
    values: [{ name: 'rows', type: 'int', value: 1200, summary: '' }],
    attempts: []
  });
  const clean = render({ model, el: document.body });

  press('Logs');
  await jest.advanceTimersByTimeAsync(0);
  press('Results');
  await jest.advanceTimersByTimeAsync(0);

  expect(shadow().querySelector('.orc-log-text')?.textContent).toBe('read');
  expect(shadow().querySelector('[data-value=rows]')?.textContent).toContain('1200');
  await jest.advanceTimersByTimeAsync(1500); // it is live: more may have come
  expect(model.asked).toEqual([
    ['logs', { after: { [id(100)]: 0 } }],
    ['values', { run: id(100) }],
    ['logs', { after: { [id(100)]: 7 } }]
  ]);
  clean();
});

test('how long a run takes is asked of its own notebook', () => {
  const flow = run({ kind: 'notebook', notebook_path: '/srv/north/prices.ipynb' });
  const model = new Model({ ...FLOW, run: flow }, { expected: 150 });

  const clean = render({ model, el: document.body });

  expect(model.asked).toEqual([
    ['expected', { flow: 'sales-report', notebook: '/srv/north/prices.ipynb' }]
  ]);
  clean();
});

test('a run is cancelled by the kernel, and what it says against it is shown', async () => {
  const model = new Model(FLOW, { cancel: new Error('It has ended already.') });
  const clean = render({ model, el: document.body });

  press('Cancel');
  await jest.advanceTimersByTimeAsync(0);

  expect(model.asked).toEqual([['cancel', { run: id(100) }]]);
  expect(problem()).toBe('It has ended already.');
  clean();
});

test('the kernel runs again what failed or was cancelled', async () => {
  const model = new Model(ENDED, { retry: 'These tasks are run again later.' });
  const clean = render({ model, el: document.body });

  press('Retry failed');
  await jest.advanceTimersByTimeAsync(0);

  expect(model.asked).toEqual([['retry', { tasks: [id(1), id(2)] }]]);
  expect(shadow().querySelector('.orc-flow-message')?.textContent).toBe(
    'These tasks are run again later.'
  );
  clean();
});

test('a kernel that does not answer is said to be busy or gone', async () => {
  const model = new Model(ENDED);
  const clean = render({ model, el: document.body });

  press('Retry failed');
  await jest.advanceTimersByTimeAsync(10_000);

  expect(problem()).toBe('The kernel does not answer: it is busy, or gone.');
  clean();
});

test('a live run whose kernel is not heard any more is shown as it was then', () => {
  const model = new Model(FLOW);
  const clean = render({ model, el: document.body });
  const live = (): string | null =>
    shadow().querySelector('.orc-flow')?.getAttribute('data-live') ?? null;
  const silence = shadow().querySelector<HTMLElement>('.orc-silence');

  jest.advanceTimersByTime(20_000);
  model.tell('msg:custom', { orchestra: 'alive' });
  jest.advanceTimersByTime(20_000);
  expect([live(), silence?.hidden]).toEqual(['true', true]);

  jest.advanceTimersByTime(10_000);
  expect([live(), silence?.hidden]).toEqual(['false', false]);
  expect(silence?.textContent).toContain('The kernel has not been heard since');

  model.tell('msg:custom', { orchestra: 'alive' });
  expect([live(), silence?.hidden]).toEqual(['true', true]);
  clean();
});

test('a widget that is drawn anew keeps what it had, and answers by its new view', async () => {
  const [first, second] = [document.createElement('div'), document.createElement('div')];
  document.body.append(first);
  const [before, after] = [new Model(FLOW), new Model(ENDED, { logs: { lines: [] } })];
  const cleanFirst = render({ model: before, el: first });
  press('Tasks');
  const node = shadow().querySelector('.orc-flow');

  cleanFirst();
  first.replaceWith(second);
  const clean = render({ model: after, el: second });
  jest.advanceTimersByTime(5000);

  expect(shadow().querySelector('.orc-flow')).toBe(node);
  expect(node?.getAttribute('data-state')).toBe('FAILED');
  const chosen = [...shadow().querySelectorAll('[role=tab]')].find(
    tab => tab.getAttribute('aria-selected') === 'true'
  );
  expect(chosen?.textContent).toBe('Tasks');
  expect(before.listeners.size).toBe(0);
  press('Logs');
  await jest.advanceTimersByTimeAsync(0);
  expect(after.asked.map(([what]) => what)).toContain('logs');
  clean();
  jest.advanceTimersByTime(1000);
  expect(after.listeners.size).toBe(0);
});

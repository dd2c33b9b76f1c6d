import type { TranslationBundle } from '@jupyterlab/translation';

import { ApiError, NoAnswer } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import type { IDeployment } from '../src/schedule/records';
import type { IScheduleApi, ScheduleQuery } from '../src/schedule/scheduleApi';
import { ScheduleForm } from '../src/schedule/scheduleForm';

// It brings dragging and more, which does not load here; the dialog is seen in the browser's tests.
jest.mock('@lumino/widgets', () => ({
  Widget: class {
    readonly node = document.createElement('div');
    addClass(name: string): void {
      this.node.classList.add(name);
    }
    dispose(): void {
      this.node.remove();
    }
  }
}));

const AT = '2099-01-01T09:00:00+01:00';

function deployed(more: Partial<IDeployment> = {}): IDeployment {
  return {
    name: 'sales',
    version: 3,
    isPaused: false,
    spec: {
      notebook: '/sales.ipynb',
      schedules: [{ cron: '0 7 * * *', timezone: 'Europe/Berlin' }]
    },
    words: ['at 07:00, every day, Europe/Berlin'],
    problem: '',
    nextAt: AT,
    ...more
  };
}

interface IOpened {
  readonly form: ScheduleForm;
  readonly asked: ScheduleQuery[];
  readonly actions: string[];
}

async function open(
  deployments: readonly IDeployment[],
  api: Partial<IScheduleApi> = {}
): Promise<IOpened> {
  const asked: ScheduleQuery[] = [];
  const preview = async (query: ScheduleQuery): ReturnType<IScheduleApi['preview']> => {
    asked.push(query);
    return { words: 'often', timezone: 'UTC', fireTimes: [{ at: AT, words: '', note: '' }] };
  };
  const form = new ScheduleForm({
    api: { preview, ...api } as IScheduleApi,
    notebook: 'sales.ipynb',
    parameters: {
      path: '/sales.ipynb',
      isDeclared: false,
      problem: '',
      fields: [],
      takesOthers: false
    },
    earlier: [],
    deployments,
    unread: null,
    pools: null,
    secrets: [],
    health: { ownService: 'off', up: 0 },
    channels: [],
    rules: [],
    reader: 'Europe/Berlin',
    trans: englishTexts as TranslationBundle,
    locale: 'en-GB'
  });
  document.body.replaceChildren(form.node);
  const actions: string[] = [];
  form.actionChanged.connect((_, text) => actions.push(text));
  await settle();
  return { form, asked, actions };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.resolve();
  }
}

function control(name: string): HTMLInputElement {
  const found = document.querySelector<HTMLInputElement>(`[name=${name}]`);
  if (found === null) {
    throw new Error(`no control ${name}`);
  }
  return found;
}

function errorsShown(): string[] {
  const alerts = [...document.querySelectorAll<HTMLElement>('[role=alert]')];
  return alerts.filter(alert => !alert.hidden).map(alert => alert.textContent ?? '');
}

beforeAll(() => {
  // jsdom has no layout
  Element.prototype.scrollIntoView = () => undefined;
});

test('a new schedule is previewed, and the button says when it begins', async () => {
  const { actions, asked, form } = await open([]);

  expect(asked).toEqual([
    { rrule: 'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0', timezone: 'Europe/Berlin' }
  ]);
  expect(actions.at(-1)).toBe('Schedule from 1 Jan 2099 08:00 UTC');
  const read = form.read();
  expect(read).toMatchObject({ name: 'sales', version: 0 });
  expect(JSON.parse(read?.body ?? '')).toMatchObject({
    notebook: '/sales.ipynb',
    schedules: [{ rrule: asked[0].rrule, timezone: 'Europe/Berlin' }]
  });
  form.dispose();
});

test('a deployment is shown as it is and sent with the version that was seen', async () => {
  const { actions, asked, form } = await open([deployed()]);

  expect(asked).toEqual([{ cron: '0 7 * * *', timezone: 'Europe/Berlin' }]);
  expect(actions.at(-1)).toBe('Save, next 1 Jan 2099 08:00 UTC');
  expect(form.read()).toMatchObject({ name: 'sales', version: 3 });
  form.dispose();
});

test('one that is paused stays so', async () => {
  const { actions, form } = await open([deployed({ isPaused: true, nextAt: null })]);

  expect(actions.at(-1)).toBe('Save, and leave it paused');
  form.dispose();
});

test.each([
  ['#/schedules/0/cron', 'cron'],
  ['#/schedules/0/timezone', 'timezone'],
  ['#/schedules/0/jitter', 'jitter'],
  ['#/retry_delay', 'retry_delay'],
  ['#/concurrency', 'concurrency']
])(
  'an error at %s stands at its field, which has the focus and can be seen',
  async (place, name) => {
    const { form } = await open([
      deployed({ spec: { concurrency: 1, schedules: [{ cron: '0 7 * * *', timezone: 'UTC' }] } })
    ]);

    form.showError(new ApiError('All of it.', 422, 'invalid_input', new Map([[place, 'Not so.']])));

    expect(errorsShown()).toEqual(['Not so.']);
    expect(document.activeElement).toBe(control(name));
    expect(control(name).closest<HTMLDetailsElement>('details')?.open ?? true).toBe(true);
    form.dispose();
  }
);

test('a name that is taken is told at the name, and what no field has above all', async () => {
  const { form } = await open([]);

  form.showError(new ApiError('There is one.', 409, 'name_taken'));
  expect(errorsShown()).toEqual(['There is one.']);
  expect(document.activeElement).toBe(control('name'));
  form.showError(new ApiError('The store is away.', 503, 'store_unavailable'));
  expect(errorsShown()).toContain('The store is away.');
  form.dispose();
});

test('an answer that never came is said in words of ours, of the preview, too', async () => {
  const unanswered = new NoAnswer(new TypeError('Failed to fetch'));
  const preview = async (): Promise<never> => {
    throw unanswered;
  };
  const { form } = await open([], { preview });
  const said = 'The server did not answer. Is it still there?';
  expect(document.body.textContent).toContain(said);

  form.showError(unanswered);

  expect(errorsShown()).toContain(said);
  expect(document.body.textContent).not.toContain('Failed to fetch');
  form.dispose();
});

test.each(['#/parameters/gone', '#/gone'])(
  '%s, which no field is for, is said beside what one is for',
  async place => {
    const { form } = await open([]);
    const places = new Map([
      ['#/pool', 'No such pool.'],
      [place, 'Not so.']
    ]);

    form.showError(new ApiError('All of it.', 422, 'invalid_input', places));

    expect(errorsShown().sort()).toEqual(['All of it.', 'No such pool.']);
    expect(document.activeElement).toBe(control('pool'));
    form.dispose();
  }
);

test('what somebody else has changed is read again, in place of what stands here', async () => {
  const now = deployed({ version: 4, spec: { schedules: [{ every: '2h', timezone: 'UTC' }] } });
  const { form } = await open([deployed()], { showDeployment: async () => now });

  form.showError(new ApiError('It has version 4 by now.', 409, 'conflict'));
  const buttons = [...document.querySelectorAll('button')];
  buttons.find(each => each.textContent === 'Read it again')?.click();
  await settle();

  expect(errorsShown()).toEqual([]);
  expect(control('count').value).toBe('2');
  expect(form.read()?.version).toBe(4);
  form.dispose();
});

test('a preview that is refused is told at its field, without taking the focus', async () => {
  const errors = new Map([['#/cron', 'No such hour.']]);
  const { actions, form } = await open([deployed()], {
    preview: async () => {
      throw new ApiError('No.', 422, 'invalid_schedule', errors);
    }
  });

  expect(errorsShown()).toEqual(['No such hour.']);
  expect(document.activeElement).toBe(document.body);
  expect(actions.at(-1)).toBe('Save');
  form.dispose();
});

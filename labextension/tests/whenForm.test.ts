import { englishTexts } from '../src/drawing/translation';
import { readNotebookParameters } from '../src/form/fields';
import { Form } from '../src/form/form';
import { DeploymentBar } from '../src/schedule/deploymentBar';
import { withStoredSecrets } from '../src/schedule/optionFields';
import { PreviewView } from '../src/schedule/previewView';
import type { IDeployment } from '../src/schedule/records';
import { WhenForm } from '../src/schedule/whenForm';

function open(): { form: WhenForm; changes: () => number } {
  let count = 0;
  const form = new WhenForm(englishTexts, () => (count += 1), 'en');
  document.body.replaceChildren(form.node);
  return { form, changes: () => count };
}

function find<T extends Element = HTMLInputElement>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) {
    throw new Error(`no ${selector}`);
  }
  return found;
}

function tab(title: string): HTMLButtonElement {
  const tabs = [...document.querySelectorAll<HTMLButtonElement>('[role=tab]')];
  const found = tabs.find(each => each.textContent === title);
  if (found === undefined) {
    throw new Error(`no tab ${title}`);
  }
  return found;
}

function type(name: string, text: string): void {
  find(`[name=${name}]`).value = text;
  find(`[name=${name}]`).dispatchEvent(new Event('input', { bubbles: true }));
}

function isShown(name: string): boolean {
  return find(`[name=${name}]`).closest('[hidden]') === null;
}

test('a form begins on weekdays at nine', () => {
  const { form } = open();

  expect(tab('Calendar').getAttribute('aria-selected')).toBe('true');
  expect(form.read(true)).toEqual({
    field: 'rrule',
    text: 'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0'
  });
});

test('arrow keys go through the tabs, which one can be reached by Tab, and tell of it', () => {
  const { form, changes } = open();
  tab('Calendar').focus();

  const press = (key: string): boolean =>
    (document.activeElement ?? document).dispatchEvent(
      new KeyboardEvent('keydown', { key, bubbles: true })
    );
  press('ArrowRight');
  expect(document.activeElement).toBe(tab('Cron'));
  expect(form.read(true)).toEqual({ field: 'cron', text: '0 9 * * 1-5' });
  press('ArrowRight');
  expect(document.activeElement).toBe(tab('Every'));
  press('End');
  expect(document.activeElement).toBe(tab('Cron'));
  press('Home');

  expect(form.read(true)).toEqual({ field: 'every', text: '1h' });
  const stops = [...document.querySelectorAll<HTMLElement>('[role=tab]')].map(
    each => each.tabIndex
  );
  expect(stops).toEqual([0, -1, -1]);
  expect(changes()).toBe(4);
});

test('each frequency has its fields, and a rule begins as what stood there', () => {
  const { form } = open();
  form.read(true);
  expect([isShown('time'), isShown('monthDay'), isShown('rule')]).toEqual([true, false, false]);

  type('frequency', '"monthly-day"');
  type('monthDay', '"-1"');
  expect([isShown('time'), isShown('monthDay'), isShown('rule')]).toEqual([true, true, false]);
  expect(find<HTMLElement>('.orc-when-days').hidden).toBe(true);
  expect(form.read(true)?.text).toBe('FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=9;BYMINUTE=0');

  type('frequency', '"rule"');
  expect([isShown('time'), isShown('monthDay'), isShown('rule')]).toEqual([false, false, true]);
  expect(find('[name=rule]').value).toBe('FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=9;BYMINUTE=0');
});

test('a week without a day is told at its days', () => {
  const { form } = open();
  document.querySelectorAll<HTMLInputElement>('.orc-when-days input').forEach(box => {
    box.checked = false;
  });

  expect(form.read(true)).toBeNull();
  expect(find('.orc-when-days .orc-form-error').textContent).toBe('Choose a day.');
  expect(document.activeElement).toBe(find('.orc-when-days input'));
});

test.each([
  [{ cron: '0 7 * * *' }, 'cron', 'cron'],
  [{ every: '90m' }, 'every', 'count'],
  [{ rrule: 'FREQ=DAILY;BYHOUR=1;BYMINUTE=2' }, 'rrule', 'time'],
  [{ rrule: 'FREQ=HOURLY' }, 'rrule', 'rule']
])('%j is shown, read as it was, and has its errors at a field', (schedule, field, control) => {
  const { form } = open();

  form.fill(schedule);
  expect(form.read(true)).toEqual({ field, text: Object.values(schedule)[0] });
  expect(form.showErrors(new Map([[field, 'Never due.']]), false)).toBe(true);
  expect(find(`[name=${control}]`).getAttribute('aria-invalid')).toBe('true');
  expect(document.activeElement).toBe(document.body);
  expect(form.showErrors(new Map([['timezone', 'x']]), false)).toBe(false);
  expect(find(`[name=${control}]`).getAttribute('aria-invalid')).toBeNull();
});

test('a preview is shown as text, and a problem in its place', () => {
  const view = new PreviewView(englishTexts, 'UTC', 'en-GB');
  document.body.replaceChildren(view.node);

  view.show({
    words: '<b>every hour</b>',
    timezone: 'Europe/Berlin',
    fireTimes: [{ at: '2026-11-27T09:00:00+01:00', words: '', note: '<img src=x>' }]
  });
  expect(find('.orc-preview-words').textContent).toBe('<b>every hour</b>.');
  expect([...document.querySelectorAll('th')].map(th => th.textContent)).toEqual([
    'Europe/Berlin',
    'Your time (UTC)'
  ]);
  expect(document.querySelector('b, img')).toBeNull();

  view.clear('The server is away.');
  expect(view.node.textContent).toBe('The server is away.');
  view.clear();
  expect(view.node.hidden).toBe(true);
});

test('a deployment is deleted only after a second word, and what can be done follows how it stands', async () => {
  const deployment: IDeployment = {
    name: 'sales',
    version: 3,
    isPaused: false,
    spec: {},
    words: ['every hour'],
    problem: '',
    nextAt: '2026-11-27T09:00:00+01:00'
  };
  const done: string[] = [];
  const bar = new DeploymentBar({
    deployments: [deployment],
    texts: englishTexts,
    reader: 'Europe/Berlin',
    locale: 'en-GB',
    now: () => Date.parse('2026-11-26T14:00:00+01:00'),
    selected: (chosen, at) => done.push(`${chosen?.name ?? 'new'} ${at}`),
    setPaused: async (_, isPaused) => {
      bar.replace({ ...deployment, isPaused });
    },
    remove: async ({ name }) => void done.push(`deleted ${name}`)
  });
  document.body.replaceChildren(bar.node);
  const status = (): string | null => find('.orc-deployment-status').textContent;
  const press = async (title: string): Promise<void> => {
    const buttons = [...document.querySelectorAll('button')];
    buttons.find(each => each.textContent === title)?.click();
    await Promise.resolve();
    await Promise.resolve();
  };

  expect(status()).toBe('version 3 · next tomorrow 09:00');
  await press('Pause');
  expect(status()).toBe('version 3 · paused');
  await press('Resume');
  expect(status()).toBe('version 3 · next tomorrow 09:00');
  await press('Delete…');
  expect(document.activeElement?.textContent).toBe('Keep it');
  await press('Keep it');
  expect(done).toEqual([]);
  await press('Delete…');
  await press('Delete it');
  expect(done).toEqual(['deleted sales']);

  const select = find<HTMLSelectElement>('select');
  select.value = '';
  select.dispatchEvent(new Event('change'));
  expect(done).toEqual(['deleted sales', 'new 0']);
  expect(bar.deployment).toBeNull();
});

test('a secret of a schedule is one of those that are stored', () => {
  const parameters = readNotebookParameters({
    path: '/a.ipynb',
    declared: true,
    problem: '',
    parameters: [{ name: 'token', annotated: true, required: true, secret: true, help: 'for it' }],
    schema: { type: 'object', properties: { token: { type: 'string', format: 'password' } } }
  });
  const fields = withStoredSecrets(parameters?.fields ?? [], ['api-token'], englishTexts);
  const form = new Form(fields, englishTexts, 'Parameters');
  document.body.replaceChildren(form.node);

  expect(form.read()).toBeNull();
  form.fill({ token: { $secret: 'api-token' } });
  expect(form.read()).toEqual(new Map([['token', '{"$secret":"api-token"}']]));
  expect(withStoredSecrets(parameters?.fields ?? [], [], englishTexts)[0].help).toBe(
    'for it · Store one in a terminal: orchestra secrets set NAME'
  );
});

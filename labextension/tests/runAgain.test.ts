import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import { plainField } from '../src/form/fields';
import type { INotebookParameters } from '../src/form/fields';
import type { IPageContext } from '../src/pages/page';
import type { IWayToNewRun } from '../src/pages/run/rerunForecast';
import { runAgain } from '../src/pages/run/runAgain';
import type { IRun } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ago, run } from './records';

const REGION = plainField({ name: 'region', label: 'Region', kind: 'text', help: '' });
const DECLARED: INotebookParameters = {
  path: '/sales.ipynb',
  isDeclared: true,
  problem: '',
  fields: [{ ...REGION, initial: 'EU' }],
  takesOthers: false
};
const FREE: INotebookParameters = { ...DECLARED, isDeclared: false, fields: [], takesOthers: true };
const NEW = run({ name: 'new-owl' });

interface IWorld {
  readonly again: Promise<IRun | null>;
  /** What was started: the name or path, the parameters and the options. */
  readonly started: unknown[][];
}

async function open(
  of: IRun,
  parameters: INotebookParameters,
  world: { earlier?: readonly object[]; refusal?: ApiError; way?: IWayToNewRun } = {}
): Promise<IWorld> {
  const started: unknown[][] = [];
  const start = async (...given: unknown[]): Promise<IRun> => {
    started.push(given.map(one => (one instanceof Map ? Object.fromEntries(one) : one)));
    if (world.refusal !== undefined) {
      throw world.refusal;
    }
    return NEW;
  };
  const list = async (): Promise<readonly object[]> => {
    if (world.earlier === undefined) {
      throw new ApiError('The store is away.', 503, 'store_unavailable');
    }
    return world.earlier;
  };
  const context = {
    api: { readParameters: async () => parameters, listEarlierRuns: list, runNotebook: start },
    pagesApi: {
      readDeployedParameters: async () => parameters,
      listEarlierRunsOf: list,
      runDeployment: start
    },
    texts: englishTexts,
    clock: new ManualClock(),
    locale: 'en-GB',
    serverPaths: () => ['sales.ipynb']
  } as unknown as IPageContext;
  const again = runAgain(context, of, world.way);
  await settle();
  return { again, started };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
  }
}

function field(name: string): HTMLInputElement {
  return document.querySelector(`dialog [name="${name}"]`) as HTMLInputElement;
}

function presets(): HTMLSelectElement {
  return document.querySelector('dialog .orc-run-presets') as HTMLSelectElement;
}

function choose(label: string): void {
  const option = [...presets().options].find(({ text }) => text.startsWith(label));
  presets().value = option?.value ?? 'none';
  presets().dispatchEvent(new Event('change'));
}

async function send(): Promise<void> {
  document.querySelector('dialog form')?.dispatchEvent(new Event('submit', { cancelable: true }));
  await settle();
}

const OLDER = {
  ...{ name: 'old-owl', createdAt: ago(3600), notebookPath: '/sales.ipynb' },
  parameters: { region: 'APAC' }
};
const OF_NOTEBOOK = run({ notebook_path: '/sales.ipynb', parameters: { region: 'US' } });
const OF_DEPLOYMENT = { ...OF_NOTEBOOK, deployment: 'nightly' };

beforeAll(() => {
  // jsdom draws no dialogs, and scrolls nothing
  Element.prototype.scrollIntoView = () => undefined;
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
});

afterEach(() => document.body.replaceChildren());

test('the form starts from the run, and from earlier ones and the defaults where that is chosen', async () => {
  const { again, started } = await open(OF_NOTEBOOK, DECLARED, { earlier: [OLDER] });

  expect(presets().selectedOptions[0].text).toMatch(/^As in run calm-fox \(/);
  expect(field('region').value).toBe('US');
  choose('As in run old-owl');
  expect(field('region').value).toBe('APAC');
  choose('The defaults');
  expect(field('region').value).toBe('EU');
  choose('As in run calm-fox');
  field('cache').checked = true;
  await send();

  expect(await again).toBe(NEW);
  expect(started).toEqual([['sales.ipynb', { region: '"US"' }, { cache: 'true' }]]);
});

test('a run that had the same values is not offered beside the run itself', async () => {
  await open(OF_NOTEBOOK, DECLARED, { earlier: [{ ...OLDER, parameters: { region: 'US' } }] });

  expect([...presets().options].map(({ text }) => text.replace(/ \(.*/, ''))).toEqual([
    'As in run calm-fox',
    'The defaults'
  ]);
});

test('a run of a deployment has the form of its notebook, and no options', async () => {
  const { started } = await open(OF_DEPLOYMENT, DECLARED, { earlier: [OLDER] });

  expect(field('cache')).toBeNull();
  field('region').value = 'CH';
  await send();

  expect(started).toEqual([['nightly', { region: '"CH"' }]]);
});

test('where nobody tells what there is, each name that a run was given has a field', async () => {
  const earlier = [{ ...OLDER, parameters: { rows: 3, region: 'APAC' } }];
  const { started } = await open(OF_DEPLOYMENT, FREE, { earlier });

  expect([field('region').value, field('rows').value]).toEqual(['US', '']);
  choose('As in run old-owl');
  expect([field('region').value, field('rows').value]).toEqual(['APAC', '3']);
  await send();

  expect(started).toEqual([['nightly', { rows: '3', region: '"APAC"' }]]);
});

test.each(['As in run calm-fox', 'The defaults'])(
  'a truth value that only another run was given is left to its default: %s',
  async begin => {
    const earlier = [{ ...OLDER, parameters: { full: true } }];
    const { started } = await open(OF_DEPLOYMENT, FREE, { earlier });
    const given = begin === 'The defaults' ? {} : { region: '"US"' };

    choose(begin);
    expect(field('full').value).toBe('');
    await send();
    expect(started).toEqual([['nightly', given]]);
  }
);

test.each([
  ['#/parameters/region', OF_NOTEBOOK],
  ['#/parameters/region', OF_DEPLOYMENT],
  ['#/timeout_seconds', OF_NOTEBOOK]
])('what the server refuses at %s is said at its field', async (pointer, of) => {
  const places = new Map([[pointer, 'No such value.']]);
  const refusal = new ApiError('It cannot be run.', 422, 'invalid_parameters', places);
  await open(of, DECLARED, { earlier: [], refusal });

  await send();

  const wrong = document.querySelector('dialog [aria-invalid="true"]');
  expect(wrong?.getAttribute('name')).toBe(pointer.split('/').at(-1));
  expect(wrong).toBe(document.activeElement);
  expect(document.querySelector('dialog .orc-problem')?.textContent).toBe('');
  expect(wrong?.closest('details')?.open ?? true).toBe(true);
});

test.each([
  [OF_NOTEBOOK, '#/parameters/gone'],
  [OF_NOTEBOOK, '#/notebook'],
  [OF_DEPLOYMENT, '#/parameters/gone'],
  [OF_DEPLOYMENT, '#/notebook']
])('what no field is for is said beside what one is for: %#', async (of, pointer) => {
  const places = new Map([
    ['#/parameters/region', 'No such value.'],
    [pointer, 'No such name.']
  ]);
  const refusal = new ApiError('It cannot be run.', 422, 'invalid_parameters', places);
  await open(of, DECLARED, { earlier: [], refusal });

  await send();

  expect(document.activeElement?.getAttribute('name')).toBe('region');
  expect(document.querySelector('dialog .orc-problem')?.textContent).toBe('It cannot be run.');
});

test('without the earlier runs the form is as good, and says that they are missing', async () => {
  const { started } = await open(OF_NOTEBOOK, DECLARED);

  expect(document.querySelector('dialog .orc-form-unread')?.textContent).toBe(
    'Earlier runs could not be read: The store is away.'
  );
  await send();
  expect(started).toHaveLength(1);
});

test('a flow of no deployment is run by that which is of the same flow', async () => {
  const way = { deployment: 'nightly', command: 'orchestra runs again calm-fox' };
  const of = run({ kind: 'flow', parameters: { region: 'US' } });
  const { again, started } = await open(of, DECLARED, { way, earlier: [] });

  expect(field('region').value).toBe('US');
  document.querySelector<HTMLElement>('dialog .orc-push-main')?.click();
  await again;

  expect(started).toEqual([['nightly', { region: '"US"' }]]);
});

test('where only its code can run a flow again the command is there to be copied', async () => {
  const way = { deployment: null, command: 'orchestra runs again calm-fox' };
  const { again, started } = await open(run({ kind: 'flow' }), DECLARED, { way });

  const value = document.querySelector<HTMLInputElement>('dialog .orc-copy input')?.value;
  expect(value).toBe('orchestra runs again calm-fox');
  const buttons = [...document.querySelectorAll<HTMLButtonElement>('dialog button:not([hidden])')];
  expect(buttons.map(({ textContent }) => textContent)).toEqual(['Copy', 'Close']);
  buttons[1].click();

  expect([await again, started]).toEqual([null, []]);
});

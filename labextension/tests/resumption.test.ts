import { ApiError } from '../src/apiError';
import { groupTasks, memberName } from '../src/drawing/taskGroups';
import { englishTexts } from '../src/drawing/translation';
import type { IPageContext } from '../src/pages/page';
import { NOTHING_FORESEEN, NO_WAY } from '../src/pages/run/rerunForecast';
import type { IOutlook, IRepeatedTask } from '../src/pages/run/rerunForecast';
import { askToResume, askToRetry, dependents, stepOf } from '../src/pages/run/resumption';
import type { RunRecords } from '../src/pages/run/runRecords';
import { id, run, task } from './records';

beforeAll(() => {
  // jsdom draws no dialogs
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
});

afterEach(() => document.body.replaceChildren());

const TASKS = [
  task({ task_run_id: id(1), name: 'load-0' }),
  task({ task_run_id: id(2), name: 'model-0', upstream: [id(1)] }),
  task({ task_run_id: id(3), name: 'model-1', upstream: [id(1)] }),
  task({ task_run_id: id(4), name: 'report-0', upstream: [id(3)] }),
  task({ task_run_id: id(5), name: 'told-0' })
];

test.each([
  ['load', ['load-0', 'model-0', 'model-1', 'report-0']],
  ['model', ['model-0', 'model-1', 'report-0']],
  ['model-1', ['model-1', 'report-0']],
  ['model-0', ['model-0']],
  ['mod', []]
])('what depends on %s runs again with it', (name, expected) => {
  expect(dependents(TASKS, name).map(one => one.name)).toEqual(expected);
});

test('a mapped task whose runs have names of their own is meant by its own', () => {
  const years = [2024, 2025].map((year, at) =>
    task({ task_run_id: id(10 + at), name: `report ${year}`, task_name: 'load_year' })
  );
  const total = task({ task_run_id: id(12), name: 'total-0', upstream: [id(11)] });

  const { groups } = groupTasks([...years, total]);

  expect(groups.map(({ name, tasks }) => [name, tasks.length])).toEqual([
    ['load_year', 2],
    ['total-0', 1]
  ]);
  expect(dependents([...years, total], 'load_year')).toEqual([...years, total]);
  expect(dependents([...years, total], 'report 2024')).toEqual([years[0]]);
  expect(years.map(memberName)).toEqual(['report 2024', 'report 2025']);
});

test.each([
  ['a cell of a notebook', { kind: 'notebook' }, { cell_id: 'c3' }, { cell: 'c3' }],
  ['a task of a flow', { kind: 'flow' }, { name: 'model-1' }, { task: 'model-1' }],
  ['no task of a notebook', { kind: 'notebook' }, { cell_id: null }, null],
  ['no cell of an open notebook', { kind: 'interactive' }, { cell_id: 'c3' }, null],
  ['no task alone', { kind: 'task' }, {}, null],
  ['nothing that goes on', { kind: 'flow', state: 'RUNNING' }, {}, null]
])('a run is resumed from %s', (_, ofRun, ofTask, expected) => {
  expect(stepOf(run({ state: 'COMPLETED', ...ofRun }), task(ofTask))).toEqual(expected);
});

/** A page of a run whose outlook comes when it is told, and what was sent. */
class Situation {
  constructor(tasks = TASKS) {
    this.records = {
      run: this.run,
      tasks,
      cellNames: new Map(),
      gone: this.page.signal
    } as unknown as RunRecords;
  }

  /** Tell what is foreseen, or why it cannot be. */
  async foresee(outlook: Partial<IOutlook> | Error): Promise<void> {
    if (outlook instanceof Error) {
      this._fail(outlook);
    } else {
      this._tell({ ...FORESEEN, ...outlook });
    }
    await settle();
  }

  readonly run = run({ kind: 'flow', state: 'FAILED', name: 'calm-fox' });
  readonly page = new AbortController();
  readonly records: RunRecords;
  readonly sent: unknown[] = [];
  readonly context = {
    texts: englishTexts,
    pagesApi: {
      readOutlook: () =>
        new Promise<IOutlook>((resolve, reject) => {
          [this._tell, this._fail] = [resolve, reject];
        }),
      retryRun: async (_: string, step: unknown = null) => {
        this.sent.push(step);
        return { message: 'It waits.' };
      }
    }
  } as unknown as IPageContext;
  private _tell: (outlook: IOutlook) => void = () => undefined;
  private _fail: (error: Error) => void = () => undefined;
}

const FORESEEN: IOutlook = {
  ...{ problem: '', command: '', instead_cell: null },
  forecast: NOTHING_FORESEEN,
  new_run: NO_WAY
};

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve();
  }
}

function dialogs(): readonly HTMLDialogElement[] {
  return [...document.querySelectorAll('dialog')];
}

function submit(): void {
  const event = new Event('submit', { cancelable: true });
  document.querySelector('dialog form')?.dispatchEvent(event);
}

test('who clicks twice is asked once, and can be asked again', async () => {
  const situation = new Situation();
  const { context, records } = situation;
  const first = askToResume(context, records, { task: 'load' });
  const second = await askToResume(context, records, { task: 'load' });
  await situation.foresee({});
  const asked = dialogs().length;
  submit();

  expect([second, asked, await first]).toEqual([false, 1, true]);
  void askToResume(context, records, { task: 'load' });
  await situation.foresee({});
  expect(dialogs()).toHaveLength(1);
});

test.each([
  ['before it is known what is to be asked', true],
  ['while it is asked', false]
])('of a page that is left %s nothing is asked', async (_, isBefore) => {
  const situation = new Situation();
  const answer = askToResume(situation.context, situation.records, { task: 'load' });
  if (isBefore) {
    situation.page.abort();
  }
  await situation.foresee({});
  situation.page.abort();

  expect([await answer, dialogs(), situation.sent]).toEqual([false, [], []]);
});

test.each([
  ['a retry', null],
  ['a resumption', { task: 'load' }]
])('%s is asked for also where nothing can be foreseen', async (_, step) => {
  const situation = new Situation();
  const { context, records } = situation;
  const answer =
    step === null
      ? askToRetry(context, situation.run, situation.page.signal)
      : askToResume(context, records, step);
  await situation.foresee(new ApiError('The database is away.', 500, 'internal'));

  expect(dialogs()[0]?.textContent).toContain(
    'What else runs again could not be foreseen: The database is away.'
  );
  submit();

  expect(await answer).toEqual(step === null ? { message: 'It waits.' } : true);
  expect(situation.sent).toEqual([step]);
});

test('a resumption that is refused says why', async () => {
  const situation = new Situation();
  void askToResume(situation.context, situation.records, { task: 'load' });
  await situation.foresee(new ApiError('It goes on.', 409, 'conflict'));

  expect(dialogs()[0].querySelector('.orc-problem')?.textContent).toBe('It goes on.');
});

const KEPT = 'The results of other tasks that were kept (persist_result, or a cache).';

test.each<[string, string, readonly IRepeatedTask[], string, string]>([
  ['other results were kept', 'model', [], KEPT, 'model ×2, report-0'],
  ['some of them were', 'report', [{ name: 'load', runs: 1 }], KEPT, 'report-0, load'],
  [
    'none of them was',
    'report',
    [
      { name: 'load', runs: 1 },
      { name: 'model', runs: 2 },
      { name: 'told', runs: 1 }
    ],
    'Nothing',
    'report-0, load, model ×2, told'
  ],
  [
    'there are no others',
    'load',
    [{ name: 'told', runs: 1 }],
    'Nothing',
    'load-0, model ×2, report-0, told'
  ]
])('what is taken from before where %s', async (_, from, tasks, taken, again) => {
  const situation = new Situation(TASKS.map(one => ({ ...one, state: 'COMPLETED' })));
  void askToResume(situation.context, situation.records, { task: from });
  await situation.foresee({ forecast: { ...NOTHING_FORESEEN, tasks } });

  const facts = [...document.querySelectorAll('dialog dd')].map(fact => fact.textContent);
  expect(facts).toEqual([
    taken,
    `${again}, and what the flow calls after it has taken a value of these itself`
  ]);
});

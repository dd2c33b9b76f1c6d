import { englishTexts } from '../src/drawing/translation';
import type { IPageContext } from '../src/pages/page';
import { ExecutedCells } from '../src/pages/run/executedCells';
import type { IExecutedCell, IExecutedNotebook } from '../src/pages/run/executedNotebook';
import { NotebookView } from '../src/pages/run/notebookView';
import { RunRecords } from '../src/pages/run/runRecords';
import type { IRun } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { id, run, task } from './records';

const records = new Map([[0, task({ state: 'RUNNING' })]]);
let clock: ManualClock;
let context: IPageContext;
/** Milliseconds that each look takes, and what time it is for who measures them. */
let takes: number;
let time: number;
/** Which version was known at each look. */
let looks: (string | null)[];

beforeEach(() => {
  clock = new ManualClock();
  [takes, time, looks] = [100, 0, []];
  jest.spyOn(performance, 'now').mockImplementation(() => time);
  const readExecutedNotebook = async (
    _: string,
    __: number | null,
    known: string | null
  ): Promise<IExecutedNotebook> => {
    looks.push(known);
    await Promise.resolve();
    time += takes;
    return { attempt: 1, attempts: [1], version: 'v1', cells: known === null ? [cell()] : null };
  };
  context = {
    texts: englishTexts,
    clock,
    pagesApi: { readExecutedNotebook },
    notebook: () => null
  } as unknown as IPageContext;
});

/** Make a cell that showed a picture. */
function cell(changes: Partial<IExecutedCell> = {}, data = 'AAAA'): IExecutedCell {
  return {
    ...{ index: 0, number: 1, cell_id: 'c0', type: 'code', source: 'plot()', status: 'running' },
    ...{ execution_count: 1, seconds: null },
    outputs: [{ kind: 'picture', text: 'a plot', mime: 'image/png', data, html: '' }],
    ...changes
  };
}

/** Make what the view is told of a run. */
function told(changes: Partial<IRun> = {}, cellState = 'RUNNING'): RunRecords {
  const state = changes.state ?? 'RUNNING';
  return {
    run: run(changes),
    cells: [task({ task_run_id: `${id(100)}-cell-0`, state: cellState })],
    tasks: [],
    all: [],
    attempts: new Map(),
    failure: null,
    isLive: state === 'RUNNING'
  } as unknown as RunRecords;
}

/** Let all answers arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
  }
}

async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1);
    await settle();
  }
}

test('what a cell showed is not gone through again as long as its file is the same', () => {
  let readings = 0;
  const picture = {
    ...{ kind: 'picture', text: '', mime: 'image/png', html: '' },
    get data() {
      readings += 1;
      return 'AAAA';
    }
  };
  const cells = [cell({ outputs: [picture] })];
  const drawn = new ExecutedCells(context, () => undefined);
  drawn.update(cells, records, false);
  const [node, read] = [drawn.node.firstElementChild, readings];

  drawn.update(cells, new Map(records), false);

  expect(drawn.node.firstElementChild).toBe(node);
  expect(readings).toBe(read);
});

test('of a newer file only cells that say something else are drawn anew', () => {
  const drawn = new ExecutedCells(context, () => undefined);
  drawn.update([cell(), cell({ index: 1, cell_id: 'c1' })], records, false);
  const [first, second] = drawn.node.children;

  drawn.update([cell(), cell({ index: 1, cell_id: 'c1' }, 'BBBB')], records, false);

  expect(drawn.node.children[0]).toBe(first);
  expect(drawn.node.children[1]).not.toBe(second);
  expect(drawn.node.querySelectorAll('img')[1].src).toBe('data:image/png;base64,BBBB');
});

test('a cell is drawn anew when the store knows another state or name of it', () => {
  const drawn = new ExecutedCells(context, () => undefined);
  const cells = [cell()];
  drawn.update(cells, records, false);

  drawn.update(cells, new Map([[0, task({ state: 'COMPLETED', name: 'plot' })]]), false);

  const node = drawn.node.querySelector('section');
  expect([node?.dataset.state, node?.getAttribute('aria-label')]).toEqual(['COMPLETED', 'plot']);
});

test('the file is looked at every two seconds, and by the version that is known', async () => {
  const view = new NotebookView(context, id(100));
  view.update(told());
  await settle();

  await pass(4);

  expect(looks).toEqual([null, 'v1', 'v1']);
});

test('after a slow look the next waits four times as long, whatever the stream tells', async () => {
  takes = 2500;
  const view = new NotebookView(context, id(100));
  view.update(told());
  await settle();

  view.update(told({}, 'COMPLETED'));
  await pass(9);
  expect(looks).toHaveLength(1);

  await pass(1);
  expect(looks).toHaveLength(2);
});

test('a run that has ended is read at once, and then no more', async () => {
  takes = 2500;
  const view = new NotebookView(context, id(100));
  view.update(told());
  await settle();

  view.update(told({ state: 'COMPLETED' }, 'COMPLETED'));
  await pass(30);

  expect(looks).toHaveLength(2);
});

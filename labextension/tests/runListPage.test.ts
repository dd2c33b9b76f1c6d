import { Signal } from '@lumino/signaling';

import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import * as namesakes from '../src/pages/namesakes';
import type { IPageContext } from '../src/pages/page';
import type { IRunFilter, IRunListPage } from '../src/pages/pagesApi';
import { RunListPage } from '../src/pages/runListPage';
import type { IRun } from '../src/schemas';
import { ManualClock } from './clockDouble';
import { ago, id, run } from './records';

/** Answers from its fields, as server and model would. */
class Server {
  readonly asked: [IRunFilter, string | null][] = [];
  pages: IRunListPage[] = [];
  error: Error | null = null;
  named: IRun | null = null;
  known: IRun[] = [];
  readonly changed = new Signal<Server, unknown>(this);
  readonly went: (readonly string[])[] = [];

  listRuns = async (filter: IRunFilter, before: string | null): Promise<IRunListPage> => {
    this.asked.push([filter, before]);
    if (this.error !== null) {
      throw this.error;
    }
    return this.pages.shift() ?? { runs: [], next: null };
  };

  /** The stream tells a run. */
  tell(told: IRun): void {
    this.known = [told, ...this.known.filter(one => one.run_id !== told.run_id)];
    this.changed.emit({ runs: new Set([told.run_id]), tasks: new Set() });
  }

  open(): RunListPage {
    const runs = {
      changed: this.changed,
      watch: () => ({ dispose: () => undefined }),
      run: (runId: string) => this.known.find(one => one.run_id === runId)
    };
    Object.defineProperty(runs, 'runs', { get: () => this.known });
    const context = {
      pagesApi: { listRuns: this.listRuns, findRun: async () => this.named },
      runs,
      texts: englishTexts,
      clock: new ManualClock(),
      locale: 'en',
      href: (path: readonly string[]) => `/orchestra/${path.join('/')}`,
      go: (path: readonly string[]) => this.went.push(path)
    };
    const page = new RunListPage(context as unknown as IPageContext);
    document.body.replaceChildren(page.node);
    return page;
  }
}

let server: Server;

beforeEach(() => {
  server = new Server();
  window.history.replaceState(null, '', '/orchestra/');
});

/** Let all answers arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve();
  }
}

function names(): (string | null)[] {
  return [...document.querySelectorAll('.orc-run-item')].map(item =>
    item.getAttribute('data-orchestra-run')
  );
}

const OLD = run({ run_id: id(1), name: 'old-owl', state: 'COMPLETED', ended_at: ago(2) });
const NEW = run({ run_id: id(2), name: 'calm-fox' });

test('runs are listed with their state in words, and a click goes to one', async () => {
  server.pages = [{ runs: [NEW, OLD], next: null }];
  server.open();
  await settle();

  expect(names()).toEqual(['calm-fox', 'old-owl']);
  expect(document.querySelectorAll('.orc-word')[1].textContent).toBe('Completed');
  document.querySelector<HTMLAnchorElement>('.orc-run-link')?.click();
  expect(server.went).toEqual([['runs', id(2)]]);
});

test('more runs are read behind the last one', async () => {
  server.pages = [
    { runs: [NEW], next: id(2) },
    { runs: [OLD], next: null }
  ];
  server.open();
  await settle();
  const more = [...document.querySelectorAll('button')].find(
    node => node.textContent === 'More runs'
  );

  more?.click();
  await settle();

  expect(names()).toEqual(['calm-fox', 'old-owl']);
  expect(server.asked.map(([, before]) => before)).toEqual([null, id(2)]);
  expect(more?.hidden).toBe(true);
});

test('what the stream tells changes a row, and a new run comes first', async () => {
  server.pages = [{ runs: [NEW], next: null }];
  server.open();
  await settle();

  server.tell({ ...NEW, state: 'FAILED', message: 'it broke\nbadly' });
  server.tell(run({ run_id: id(3), name: 'quick-llama' }));
  server.tell(run({ run_id: id(0), name: 'much-older' }));

  expect(names()).toEqual(['quick-llama', 'calm-fox']);
  expect(document.querySelectorAll('.orc-run-error')[1].textContent).toBe('it broke');
});

test('which notebook a run is of is looked for when one is added, not at each thing that happens', async () => {
  const tell = jest.spyOn(namesakes, 'namesakes');
  const of = (folder: string): string => `/srv/${folder}/${NEW.flow_name}.ipynb`;
  server.pages = [{ runs: [{ ...NEW, notebook_path: of('north') }], next: null }];
  server.open();
  await settle();
  const before = tell.mock.calls.length;

  server.tell({ ...NEW, notebook_path: of('north'), state: 'FAILED' });
  const changed = tell.mock.calls.length;
  server.tell(run({ run_id: id(3), notebook_path: of('south') }));

  expect([before, changed, tell.mock.calls.length]).toEqual([1, 1, 2]);
  const said = [...document.querySelectorAll('.orc-run-names > .orc-detail')];
  expect(said.map(node => node.textContent)).toEqual([
    `south/${NEW.flow_name}.ipynb`,
    `north/${NEW.flow_name}.ipynb`
  ]);
});

test('a filtered list takes in only what is like it, and its address says the filter', async () => {
  window.history.replaceState(null, '', '/orchestra/?state=failed&name=train');
  server.pages = [{ runs: [], next: null }];
  server.open();
  await settle();

  expect(server.asked[0][0]).toEqual({ states: 'FAILED,TIMED_OUT,CRASHED', flow: 'train' });
  expect(document.querySelector('.orc-empty')?.textContent).toContain('No run is like this.');
  server.tell(run({ run_id: id(4), flow_name: 'train' }));
  server.tell(run({ run_id: id(5), flow_name: 'other', state: 'FAILED' }));
  server.tell(run({ run_id: id(6), flow_name: 'train', state: 'FAILED', name: 'bad-luck' }));
  expect(names()).toEqual(['bad-luck']);

  const state = document.querySelector('select') as HTMLSelectElement;
  state.value = '';
  state.dispatchEvent(new Event('change'));
  expect(window.location.search).toBe('?name=train');
});

test('the name of a run finds it, where no flow is called so', async () => {
  window.history.replaceState(null, '', '/orchestra/?name=old-owl');
  server.named = OLD;
  server.open();
  await settle();

  expect(names()).toEqual(['old-owl']);
});

test('a part of the name of a flow finds its runs, more of them, and those that come', async () => {
  window.history.replaceState(null, '', '/orchestra/?name=s.l');
  const sales = (number: number): IRun => run({ run_id: id(number), flow_name: 'S.les' });
  server.pages = [
    { runs: [], next: null },
    { runs: [sales(2)], next: id(2) },
    { runs: [sales(1)], next: null }
  ];
  server.open();
  await settle();
  [...document.querySelectorAll('button')].find(node => node.textContent === 'More runs')?.click();
  await settle();
  server.tell(sales(3));
  server.tell(run({ run_id: id(4), flow_name: 'sales' }));

  expect(server.asked.map(([filter, before]) => [filter.flow, before])).toEqual([
    ['s.l', null],
    ['*s.l*', null],
    ['*s.l*', id(2)]
  ]);
  expect(names()).toHaveLength(3);
});

test('an error is said, and gone with the next answer', async () => {
  server.error = new ApiError('The store is locked.', 503, 'store_unavailable');
  server.open();
  await settle();
  const problem = document.querySelector<HTMLElement>('[role=alert]');
  expect([problem?.textContent, problem?.hidden]).toEqual(['The store is locked.', false]);

  server.error = null;
  document.querySelector('form')?.requestSubmit();
  await settle();

  expect(problem?.hidden).toBe(true);
});

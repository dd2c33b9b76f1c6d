import { englishTexts } from '../src/drawing/translation';
import { NOTHING_FORESEEN, forecastNotes, readOutlook } from '../src/pages/run/rerunForecast';
import type { IRerunForecast } from '../src/pages/run/rerunForecast';

const REMEDY = 'persist_result=True, of @task or @flow, or a cache_policy keeps results.';

function said(forecast: Partial<IRerunForecast>): readonly (string | null)[] {
  return forecastNotes({ ...NOTHING_FORESEEN, ...forecast }, englishTexts).map(
    note => note.textContent
  );
}

test.each<[string, Partial<IRerunForecast>, string]>([
  [
    'a task',
    { tasks: [{ name: 'load', runs: 1 }] },
    `1 task run that completed runs again, since its result is not kept: load. ${REMEDY}`
  ],
  [
    'tasks',
    {
      tasks: [
        { name: 'load', runs: 1 },
        { name: 'model', runs: 12 }
      ]
    },
    `13 task runs that completed run again, since their results are not kept: load, model ×12. ${REMEDY}`
  ],
  [
    'many tasks',
    { tasks: Array.from({ length: 10 }, (_, at) => ({ name: `t${at}`, runs: 1 })) },
    `10 task runs that completed run again, since their results are not kept: t0, t1, t2, t3, t4, t5, t6, t7 and 2 more. ${REMEDY}`
  ],
  [
    'cells that nobody asked to be kept',
    { cells: 2, cells_because: 'no_cache' },
    '2 cells that completed run again: the run was made without --cache, which keeps what cells give.'
  ],
  [
    'a cell beside a secret',
    { cells: 1, cells_because: 'secrets' },
    '1 cell that completed runs again: nothing is kept of a run with secret parameters.'
  ],
  [
    'a flow whose code was kept',
    { code: 'flow' },
    'The flow runs as it was when the run began, whatever was changed since. To run it as it is now, call it again where it stands.'
  ],
  [
    'a notebook that was changed and not deployed',
    { code: 'undeployed', notebook_path: '/home/ana/a.ipynb' },
    'a.ipynb has changed since it was deployed: it runs as it was deployed. Deploy it to have it run.'
  ]
])('of %s that run again is told', (_, forecast, text) => {
  expect(said(forecast)).toEqual([text]);
});

test.each([
  ['notebook', 'a.ipynb has changed since: it runs as it was when the run began.', 'As it is now'],
  ['deployed', 'a.ipynb was deployed anew since: it runs as it was then.', 'As it is deployed now'],
  [
    'flow',
    'The flow runs as it was when the run began, whatever was changed since.',
    'As it is now'
  ]
])('the command for code of today (%s) is there to be copied', (code, words, label) => {
  const command = 'orchestra run a.ipynb';

  const [note, row] = forecastNotes(
    { ...NOTHING_FORESEEN, code, notebook_path: 'a.ipynb', command },
    englishTexts
  );

  expect(note.textContent).toBe(words);
  expect(row.querySelector('label')?.textContent).toBe(label);
  expect(row.querySelector('input')?.value).toBe(command);
  expect(row.querySelector('button')?.getAttribute('aria-label')).toBe(`Copy: ${label}`);
});

test('where nothing is to be known nothing is said', () => {
  expect(said({})).toEqual([]);
});

test('what a server of another version leaves out is nothing', () => {
  expect(readOutlook({ problem: 'It runs.' })).toEqual({
    problem: 'It runs.',
    command: '',
    instead_cell: null,
    new_run: { deployment: null, command: '' },
    forecast: NOTHING_FORESEEN
  });
});

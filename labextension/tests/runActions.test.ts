import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import type { IOverviewApi } from '../src/overview/overviewApi';
import { RunActionIDs, addRunActions } from '../src/runActions';
import type { IRun } from '../src/schemas';
import type { IOrchestraApi, IRunsModel } from '../src/tokens';
import { id, run } from './records';

// These bring the user interface of JupyterLab, which does not load here.
jest.mock('@jupyterlab/apputils', () => ({
  Clipboard: { copyToSystem: jest.fn() },
  Notification: { error: jest.fn(), info: jest.fn(), success: jest.fn(), warning: jest.fn() },
  WidgetTracker: jest.fn()
}));
jest.mock('@jupyterlab/coreutils', () => ({
  PageConfig: { getOption: () => '/home/ana' }
}));
jest.mock('../src/icon', () => ({}));
jest.mock('../src/logsView', () => ({}));
jest.mock('../src/runNotebook', () => ({ RUN_NOTEBOOK: 'orchestra:run-notebook' }));

const OF_ROW = { fromRow: true };
const DEPLOYED = run({ run_id: id(1), state: 'CRASHED', deployment: 'nightly' });
const BY_HAND = run({ run_id: id(2), state: 'FAILED', notebook_path: '/home/ana/a/report.ipynb' });
const LIVE = run({ run_id: id(3), deployment: 'nightly', notebook_path: '/home/ana/x.ipynb' });
const CELLS = run({
  run_id: id(4),
  state: 'FAILED',
  kind: 'interactive',
  notebook_path: '/b.ipynb'
});

/** Give the commands where the context menu is on the row of a run, and what they did. */
function register(rowOf: IRun, isListed = true, retryRun = async (): Promise<string> => '') {
  const commands = new CommandRegistry();
  const row = document.createElement('div');
  row.dataset.runId = rowOf.run_id;
  const opened: unknown[] = [];
  commands.addCommand('orchestra:run-notebook', {
    describedBy: { args: {} },
    execute: args => void opened.push(args)
  });
  const app = {
    commands,
    contextMenuHitTest: () => row,
    serviceManager: { contents: { get: async () => ({}) } }
  };
  const find = (runId: string) => (runId === rowOf.run_id ? rowOf : undefined);
  addRunActions(
    {
      app: app as unknown as JupyterFrontEnd,
      labShell: null,
      api: { readRun: async () => ({ run: rowOf, tasks: [] }) } as unknown as IOrchestraApi,
      runs: { runs: [], run: isListed ? find : () => undefined } as unknown as IRunsModel,
      alsoKnown: find,
      trans: englishTexts as TranslationBundle
    },
    { retryRun } as unknown as IOverviewApi
  );
  return { commands, opened };
}

test.each([
  ['of a deployment that crashed', DEPLOYED, [RunActionIDs.retryRun]],
  ['of a notebook that failed', BY_HAND, [RunActionIDs.retryRun, RunActionIDs.runAgain]],
  ['that goes on', LIVE, []],
  ['of cells in an open notebook', CELLS, []]
])('the menu of a run %s offers what can be done with it', (_, one, offered) => {
  const { commands } = register(one);

  const visible = Object.values(RunActionIDs).filter(command =>
    commands.isVisible(command, OF_ROW)
  );

  expect(visible).toEqual([...offered, RunActionIDs.copyRunId]);
});

test('a run that only an alert tells of can be retried from there', () => {
  const { commands } = register(DEPLOYED, false);

  expect(commands.isVisible(RunActionIDs.retryRun, OF_ROW)).toBe(true);
});

test('a retry says what it waits for', async () => {
  const { commands } = register(DEPLOYED, true, async () => 'waits for room in the pool');

  await commands.execute(RunActionIDs.retryRun, OF_ROW);

  expect(jest.mocked(Notification.success).mock.calls[0][0]).toBe(
    'calm-fox: waits for room in the pool'
  );
});

test('a retry that is refused is told', async () => {
  const refuse = async (): Promise<never> => {
    throw new ApiError('It is being run again by somebody else.', 409, 'conflict');
  };

  await register(DEPLOYED, true, refuse).commands.execute(RunActionIDs.retryRun, OF_ROW);

  expect(jest.mocked(Notification.error).mock.calls[0][0]).toBe(
    'The run could not be retried. It is being run again by somebody else.'
  );
});

test('a notebook is run again by its path below the folder of the server', async () => {
  const { commands, opened } = register(BY_HAND);

  await commands.execute(RunActionIDs.runAgain, OF_ROW);

  expect(opened).toEqual([{ path: 'a/report.ipynb', runId: BY_HAND.run_id }]);
});

test('a notebook that is elsewhere cannot be run again from here', async () => {
  const { commands, opened } = register({ ...BY_HAND, notebook_path: '/srv/report.ipynb' }, false);

  await commands.execute(RunActionIDs.runAgain, OF_ROW);

  expect(opened).toEqual([]);
  expect(jest.mocked(Notification.warning).mock.calls[0][0]).toContain('not below the folder');
});

test('the id of a run is copied', async () => {
  await register(LIVE).commands.execute(RunActionIDs.copyRunId, OF_ROW);

  expect(Clipboard.copyToSystem).toHaveBeenCalledWith(LIVE.run_id);
});

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import { OverviewCommandIDs } from '../src/overview/commandIDs';
import type { IOverview } from '../src/overview/overview';
import { addOverviewCommands } from '../src/overview/overviewCommands';
import type { IRunsModel } from '../src/tokens';
import { cluster, scheduled } from './overviewRecords';

// These bring the user interface of JupyterLab, which does not load here; what is shown is seen in the browser's tests.
jest.mock('@jupyterlab/apputils', () => ({
  Clipboard: { copyToSystem: jest.fn() },
  Dialog: {
    cancelButton: jest.fn(),
    createButton: jest.fn(),
    okButton: jest.fn(),
    warnButton: jest.fn()
  },
  InputDialog: { getItem: jest.fn() },
  Notification: { error: jest.fn(), success: jest.fn(), info: jest.fn() },
  showDialog: jest.fn()
}));

const NIGHTLY = scheduled();
const RESTING = scheduled({ name: 'resting', isPaused: true });
const FAR = cluster({ name: 'tcp://far:1', dashboardUrl: 'http://far:8787/status' });

/** Give the commands, and what they asked the server; the context menu is on a row that is marked so. */
function register(row: Record<string, string> = {}, error: Error | null = null) {
  const asked: unknown[][] = [];
  const call =
    (name: string) =>
    async (...args: unknown[]): Promise<string> => {
      asked.push([name, ...args]);
      if (error !== null) {
        throw error;
      }
      return 'calm-fox';
    };
  const commands = new CommandRegistry();
  const node = document.createElement('div');
  Object.assign(node.dataset, row);
  const refresh = jest.fn();
  const overview = {
    api: {
      listDeployments: async () => [
        NIGHTLY,
        RESTING,
        scheduled({ name: 'by-hand', words: [], isPaused: true })
      ],
      listClusters: async () => [cluster()],
      runDeployment: call('run'),
      setPaused: call('setPaused'),
      decideDelivery: call('decide'),
      discardDeadLetter: call('discardLetter')
    },
    schedules: { value: [NIGHTLY, RESTING], refresh },
    clusters: { value: [cluster(), FAR], refresh },
    alerts: { refresh },
    failedCount: 0
  };
  addOverviewCommands({
    app: {
      commands,
      contextMenuHitTest: (accept: (node: HTMLElement) => boolean) =>
        accept(node) ? node : undefined
    } as unknown as JupyterFrontEnd,
    overview: overview as unknown as IOverview,
    runs: {} as IRunsModel,
    trans: englishTexts as TranslationBundle
  });
  return { commands, asked };
}

const { runDeployment, pauseDeployment, resumeDeployment } = OverviewCommandIDs;
const OF_ROW = { fromRow: true };

function choose(value: string | null): void {
  jest
    .mocked(InputDialog.getItem)
    .mockResolvedValue({ value, button: { accept: value !== null } } as never);
}

test.each([
  ['nightly', [runDeployment, pauseDeployment]],
  ['resting', [runDeployment, resumeDeployment]],
  ['gone', []]
])('the menu of %s offers what can be done with it', (deployment, offered) => {
  const { commands } = register({ deployment });

  const visible = [runDeployment, pauseDeployment, resumeDeployment].filter(command =>
    commands.isVisible(command, OF_ROW)
  );

  expect(visible).toEqual(offered);
});

test('the menu of a cluster offers its dashboard where it has one', () => {
  const isVisible = (name: string): boolean =>
    register({ cluster: name }).commands.isVisible(OverviewCommandIDs.openDashboard, OF_ROW);

  expect([isVisible('tcp://far:1'), isVisible('local')]).toEqual([true, false]);
});

test.each([
  [runDeployment, ['run', 'nightly']],
  [pauseDeployment, ['setPaused', 'nightly', true]],
  [resumeDeployment, ['setPaused', 'nightly', false]]
])('%s of a row asks for its deployment', async (command, call) => {
  const { commands, asked } = register({ deployment: 'nightly' });

  await commands.execute(command, OF_ROW);

  expect(asked).toEqual([call]);
});

test.each([
  [OverviewCommandIDs.retryDelivery, ['decide', 7, 'retry']],
  [OverviewCommandIDs.discardDelivery, ['decide', 7, 'discard']]
])('%s decides about the notification of its row', async (command, call) => {
  const { commands, asked } = register({ delivery: '7' });

  await commands.execute(command, OF_ROW);
  await register({ delivery: 'x' }).commands.execute(command, OF_ROW);

  expect(asked).toEqual([call]);
});

test.each([true, false])('a dead letter is discarded only if that is wanted: %s', async accept => {
  jest.mocked(showDialog).mockResolvedValue({ button: { accept } } as never);
  const { commands, asked } = register({ letter: 'a.1' });

  await commands.execute(OverviewCommandIDs.discardLetter, OF_ROW);

  expect(asked).toEqual(accept ? [['discardLetter', 'a.1']] : []);
});

test('the palette asks which deployment is meant, of those that it is for', async () => {
  choose('resting');
  const { commands, asked } = register();

  await commands.execute(resumeDeployment);

  expect(jest.mocked(InputDialog.getItem).mock.calls[0][0].items).toEqual(['resting']);
  expect(asked).toEqual([['setPaused', 'resting', false]]);
});

test('nothing is done where the palette is left', async () => {
  choose(null);
  const { commands, asked } = register();

  await commands.execute(runDeployment);

  expect(asked).toEqual([]);
});

test('where there is nothing to choose from that is said', async () => {
  await register().commands.execute(OverviewCommandIDs.openDashboard);

  expect(jest.mocked(Notification.info).mock.calls[0][0]).toContain('No cluster has a dashboard');
});

test('a call that fails is told with what was to be done, and its details', async () => {
  const error = new ApiError(
    'This needs the role author.',
    403,
    'forbidden',
    new Map([['#/at', 'is no time']]),
    'POST deployments/nightly/pause'
  );
  const { commands } = register({ deployment: 'nightly' }, error);

  await commands.execute(pauseDeployment, OF_ROW);
  const [text, options] = jest.mocked(Notification.error).mock.calls[0];
  jest.mocked(showDialog).mockResolvedValue({ button: { label: 'Close' } } as never);
  options?.actions?.[0].callback({} as MouseEvent);

  expect(text).toBe('nightly could not be paused. This needs the role author.');
  expect(options?.actions?.[0].label).toBe('Details');
  const { body } = jest.mocked(showDialog).mock.calls.at(-1)?.[0] as {
    body: { props: { children: string } };
  };
  expect(body.props.children.split('\n')).toEqual([
    'This needs the role author.',
    '',
    'Asked: POST deployments/nightly/pause',
    'Status: 403',
    'Code: forbidden',
    '#/at: is no time'
  ]);
});

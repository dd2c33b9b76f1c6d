import { Notification, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';

import { ApiError } from '../src/apiError';
import { englishTexts } from '../src/drawing/translation';
import { RunDialog } from '../src/runDialog';
import { RUN_NOTEBOOK, addRunNotebook } from '../src/runNotebook';
import type { IRunNotebookOptions } from '../src/runNotebook';
import { run } from './records';

// These bring the user interface of JupyterLab, which does not load here; the dialog is seen in the browser's tests.
jest.mock('@jupyterlab/apputils', () => ({
  Dialog: { cancelButton: jest.fn(), warnButton: jest.fn() },
  Notification: { error: jest.fn(), success: jest.fn() },
  showDialog: jest.fn()
}));
jest.mock('@jupyterlab/coreutils', () => ({
  PathExt: { basename: (path: string) => path.split('/').pop() }
}));
jest.mock('../src/commands', () => ({ CommandIDs: {} }));
jest.mock('../src/icon', () => ({}));
jest.mock('../src/runDialog', () => ({ RunDialog: jest.fn() }));

const AGAIN = run({ parameters: { region: 'US' } });

/** What is in front, what is open, what is selected, and how saving and reading end. */
interface ISituation {
  readonly front?: { readonly path: string; readonly type: string };
  readonly selected?: readonly { readonly path: string; readonly type: string }[];
  readonly isDirty?: boolean;
  readonly save?: () => Promise<void>;
  readonly readParameters?: (path: string) => Promise<unknown>;
}

function register(situation: ISituation): CommandRegistry {
  const { front, selected = [] } = situation;
  const commands = new CommandRegistry();
  const context = front && {
    path: front.path,
    contentsModel: { type: front.type },
    model: { dirty: situation.isDirty ?? false },
    save: situation.save ?? (async () => undefined)
  };
  const shell = { currentWidget: front ? {} : null, currentChanged: new Signal({}) };
  const options = {
    app: {
      commands,
      shell,
      serviceManager: { contents: { localPath: (path: string) => path.replace('RTC:', '') } }
    },
    api: {
      readParameters: situation.readParameters ?? (async () => ({})),
      listEarlierRuns: async () => []
    },
    runs: { run: (runId: string) => (runId === AGAIN.run_id ? AGAIN : undefined) },
    documents: { contextForWidget: () => context, findWidget: () => context && { context } },
    browsers: { tracker: { currentWidget: { selectedItems: () => selected } } },
    trans: englishTexts as TranslationBundle
  };
  addRunNotebook(options as unknown as IRunNotebookOptions);
  return commands;
}

const launch = jest.fn();
const NOTEBOOK = { path: 'RTC:reports/sales.ipynb', type: 'notebook' };

beforeEach(() => {
  launch.mockReset();
  jest.mocked(RunDialog).mockImplementation(() => ({ launch }) as unknown as RunDialog);
});

test('the command is for a notebook that is in front or named', () => {
  const isEnabled = (situation: ISituation, args = {}): boolean =>
    register(situation).isEnabled(RUN_NOTEBOOK, args);

  expect(isEnabled({ front: NOTEBOOK })).toBe(true);
  expect(isEnabled({ front: { path: 'a.py', type: 'file' } })).toBe(false);
  expect(isEnabled({})).toBe(false);
  expect(isEnabled({}, { path: 'a.ipynb' })).toBe(true);
});

test('the file browser offers it for one notebook', () => {
  const isVisible = (...selected: { path: string; type: string }[]): boolean =>
    register({ selected }).isVisible(RUN_NOTEBOOK, { fromBrowser: true });

  expect(isVisible(NOTEBOOK)).toBe(true);
  expect(isVisible(NOTEBOOK, NOTEBOOK)).toBe(false);
  expect(isVisible({ path: 'a.py', type: 'file' })).toBe(false);
});

test('a changed notebook is saved before it is asked for its parameters', async () => {
  const done: string[] = [];
  const commands = register({
    front: NOTEBOOK,
    isDirty: true,
    save: async () => void done.push('saved'),
    readParameters: async path => done.push(path)
  });

  await commands.execute(RUN_NOTEBOOK);

  expect(done).toEqual(['saved', 'reports/sales.ipynb']);
  expect(launch).toHaveBeenCalled();
});

test.each([true, false])(
  'a notebook that cannot be saved is run as it is only if asked to: %s',
  async accept => {
    const fail = async (): Promise<void> => {
      throw new Error('read-only');
    };
    jest.mocked(showDialog).mockResolvedValue({ button: { accept } } as never);

    await register({ front: NOTEBOOK, isDirty: true, save: fail }).execute(RUN_NOTEBOOK);

    expect(launch).toHaveBeenCalledTimes(accept ? 1 : 0);
  }
);

test('what goes wrong before there is a dialog is told', async () => {
  const readParameters = async (): Promise<never> => {
    throw new ApiError('It is no notebook.', 422, 'invalid_notebook');
  };

  await register({ front: NOTEBOOK, readParameters }).execute(RUN_NOTEBOOK);

  expect(jest.mocked(Notification.error).mock.calls[0][0]).toBe(
    'sales.ipynb cannot be run. It is no notebook.'
  );
});

test('the form for a run that is run again starts from its parameters', async () => {
  jest.mocked(RunDialog).mockClear();
  await register({ front: NOTEBOOK }).execute(RUN_NOTEBOOK, { runId: AGAIN.run_id });
  await register({ front: NOTEBOOK }).execute(RUN_NOTEBOOK);

  const begins = jest.mocked(RunDialog).mock.calls.map(([{ begin }]) => begin);
  expect(begins).toEqual([
    { label: expect.stringMatching(/^As in run calm-fox /), values: { region: 'US' } },
    undefined
  ]);
});

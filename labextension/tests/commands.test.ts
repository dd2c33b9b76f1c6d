import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { CommandIDs, addCommands } from '../src/commands';
import { englishTexts } from '../src/drawing/translation';
import type { IRun } from '../src/schemas';
import type { IOrchestraApi, IRunsModel } from '../src/tokens';
import { id, run } from './records';

// These bring the user interface of JupyterLab, which does not load here; what is tested does not open anything.
jest.mock('@jupyterlab/apputils', () => ({ WidgetTracker: jest.fn() }));
jest.mock('@jupyterlab/coreutils', () => ({}));
jest.mock('../src/icon', () => ({}));
jest.mock('../src/logsView', () => ({}));

const OF_RUNS = [CommandIDs.openRun, CommandIDs.openLogs, CommandIDs.cancelRun];
const LIVE = run({ run_id: id(1) });
const ENDED = run({ run_id: id(2), state: 'COMPLETED' });

/** Give the commands where these runs are known, and the context menu is on the row of one. */
function register(known: IRun[], rowOf?: IRun): CommandRegistry {
  const commands = new CommandRegistry();
  const row = document.createElement('div');
  row.dataset.runId = rowOf?.run_id;
  const app = { commands, contextMenuHitTest: () => rowOf && row };
  const runs = { runs: known, run: (runId: string) => known.find(run => run.run_id === runId) };
  addCommands({
    app: app as unknown as JupyterFrontEnd,
    labShell: null,
    api: {} as IOrchestraApi,
    runs: runs as unknown as IRunsModel,
    trans: englishTexts as TranslationBundle
  });
  return commands;
}

function visible(commands: CommandRegistry, args = {}): string[] {
  return OF_RUNS.filter(command => commands.isVisible(command, args));
}

test('the palette offers what there is a known run for', () => {
  expect(visible(register([]))).toEqual([]);
  expect(visible(register([ENDED]))).toEqual([CommandIDs.openRun, CommandIDs.openLogs]);
  expect(visible(register([ENDED, LIVE]))).toEqual(OF_RUNS);
  expect(register([]).isVisible(CommandIDs.openPanel)).toBe(true);
});

test('the context menu offers what can be done with its run', () => {
  const args = { fromRow: true };

  expect(visible(register([ENDED, LIVE], LIVE), args)).toEqual(OF_RUNS);
  expect(visible(register([ENDED, LIVE], ENDED), args)).not.toContain(CommandIDs.cancelRun);
});

test('the palette says whose runs they are, the menu of a row need not', () => {
  const commands = register([LIVE], LIVE);

  for (const command of OF_RUNS) {
    expect(commands.label(command)).toMatch(/Orchestra Run…$/);
    expect(commands.label(command, { fromRow: true })).not.toContain('Orchestra');
  }
});

import { Notification } from '@jupyterlab/apputils';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';

import { TaskCommandIDs, addTaskCommands } from '../src/cells/taskCommands';
import type { ITaskCommandOptions } from '../src/cells/taskCommands';
import { TaskDialog } from '../src/cells/taskDialog';
import type { ITaskDialogOptions } from '../src/cells/taskDialog';
import { englishTexts } from '../src/drawing/translation';

// These bring the user interface of JupyterLab, which does not load here; they are seen in the browser's tests.
jest.mock('@jupyterlab/apputils', () => ({ Notification: { error: jest.fn(), info: jest.fn() } }));
jest.mock('@jupyterlab/ui-components', () => ({ editIcon: {} }));
jest.mock('../src/cells/taskDialog', () => ({ TaskDialog: jest.fn() }));

/** A cell with its text, which notes the steps of undo. */
class CellDouble {
  constructor(
    readonly id: string,
    private _source: string,
    readonly type = 'code'
  ) {}

  readOnly = false;
  isDisposed = false;
  readonly steps: string[] = [];
  readonly contentChanged = new Signal<this, void>(this);
  readonly undoManager = { stopCapturing: () => this.steps.push('|') };

  get model(): this {
    return this;
  }

  get sharedModel(): this {
    return this;
  }

  getSource(): string {
    return this._source;
  }

  updateSource(start: number, end: number, text: string): void {
    this._source = this._source.slice(0, start) + text + this._source.slice(end);
    this.steps.push(this._source);
    this.contentChanged.emit();
  }
}

/** The notebook in front, with its active cell. */
class Notebooks {
  constructor(
    cells: readonly CellDouble[],
    readonly language = 'python',
    readonly isReadOnly = false
  ) {
    this.activeCell = cells.at(-1) ?? null;
    this.currentWidget = {
      content: {
        widgets: cells,
        model: { defaultKernelLanguage: language, readOnly: isReadOnly }
      },
      context: { model: { sharedModel: {} } }
    };
  }

  readonly activeCellChanged = new Signal<this, CellDouble | null>(this);
  readonly currentWidget: object;
  activeCell: CellDouble | null;

  activate(cell: CellDouble | null): void {
    this.activeCell = cell;
    this.activeCellChanged.emit(cell);
  }
}

function register(notebooks: Notebooks, api: object = {}, isInFront = true): CommandRegistry {
  const commands = new CommandRegistry();
  const currentWidget = isInFront ? notebooks.currentWidget : {};
  const shell = { currentWidget, currentChanged: new Signal({}) };
  const options = { app: { commands, shell }, api, notebooks, trans: englishTexts };
  addTaskCommands(options as unknown as ITaskCommandOptions);
  return commands;
}

const LOADING = new CellDouble('load', '%load_ext orchestra_nb');

test('the toggle is one step of undo each time, and what the line said comes back', async () => {
  const cell = new CellDouble('a', '%%task load --wait  # why\nx = 1');
  const commands = register(new Notebooks([LOADING, cell]));

  await commands.execute(TaskCommandIDs.toggle);
  await commands.execute(TaskCommandIDs.toggle);

  const steps = ['|', 'x = 1', '|', '|', '%%task load --wait  # why\nx = 1', '|'];
  expect(cell.steps).toEqual(steps);
});

test('the line comes back into a cell that was moved, and not into another one', async () => {
  const cell = new CellDouble('a', '%%task load\nx = 1');
  const notebooks = new Notebooks([LOADING, cell]);
  const commands = register(notebooks);
  await commands.execute(TaskCommandIDs.toggle);
  const moved = new CellDouble('a', 'x = 1');
  const other = new CellDouble('b', 'y = 2');

  notebooks.activate(moved);
  await commands.execute(TaskCommandIDs.toggle);
  notebooks.activate(other);
  await commands.execute(TaskCommandIDs.toggle);

  expect(moved.getSource()).toBe('%%task load\nx = 1');
  expect(other.getSource()).toBe('%%task\ny = 2');
});

test.each<[string, Notebooks, boolean]>([
  ['a code cell', new Notebooks([new CellDouble('a', 'x')]), true],
  [
    'a cell before any kernel has told its language',
    new Notebooks([new CellDouble('a', 'x')], ''),
    true
  ],
  ['a text cell', new Notebooks([new CellDouble('a', 'x', 'markdown')]), false],
  ['another language', new Notebooks([new CellDouble('a', 'x')], 'R'), false],
  [
    'a notebook that may not be changed',
    new Notebooks([new CellDouble('a', 'x')], 'python', true),
    false
  ],
  [
    'a cell that may not be changed',
    new Notebooks([Object.assign(new CellDouble('a', 'x'), { readOnly: true })]),
    false
  ],
  ['no cell', new Notebooks([]), false]
])('whether the commands can be used: %s', (_, notebooks, isEnabled) => {
  const commands = register(notebooks);

  for (const command of Object.values(TaskCommandIDs)) {
    expect(commands.isEnabled(command)).toBe(isEnabled);
  }
});

test('only the toolbar of a cell may be used while something else is in front', () => {
  const commands = register(new Notebooks([new CellDouble('a', 'x')]), {}, false);

  expect(commands.isEnabled(TaskCommandIDs.toggle)).toBe(false);
  expect(commands.isEnabled(TaskCommandIDs.toggle, { isToolbar: true })).toBe(true);
});

test('the buttons follow what is typed into the active cell', () => {
  const cell = new CellDouble('a', 'x = 1');
  const commands = register(new Notebooks([cell]));
  const toolbar = { isToolbar: true };
  let changes = 0;
  commands.commandChanged.connect(() => (changes += 1));
  const before = [
    commands.isToggled(TaskCommandIDs.toggle),
    commands.isVisible(TaskCommandIDs.edit, toolbar)
  ];

  cell.updateSource(0, 0, '%%task\n');
  const atOnce = changes;
  cell.updateSource(7, 7, 'y = 2\n');

  expect(before).toEqual([false, false]);
  expect(commands.isToggled(TaskCommandIDs.toggle)).toBe(true);
  expect(commands.isVisible(TaskCommandIDs.edit, toolbar)).toBe(true);
  expect(atOnce).toBeGreaterThan(0);
  expect(changes).toBe(atOnce);
});

test('what makes the line known is said once, and only where no cell above does it', async () => {
  const info = jest.mocked(Notification.info).mockClear();
  const loaded = register(new Notebooks([LOADING, new CellDouble('a', 'x')]));
  const bare = register(new Notebooks([new CellDouble('a', 'x')]));

  await loaded.execute(TaskCommandIDs.toggle);
  expect(info).not.toHaveBeenCalled();
  for (let times = 0; times < 3; times += 1) {
    await bare.execute(TaskCommandIDs.toggle);
  }

  expect(info).toHaveBeenCalledTimes(1);
  expect(info.mock.calls[0][0]).toContain('%load_ext orchestra_nb');
});

describe('the form', () => {
  /** Have the user apply something at once. */
  function apply(before: () => void = () => undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      jest.mocked(TaskDialog).mockImplementation((({ take }: ITaskDialogOptions) => ({
        launch: async () => {
          before();
          await take({ name: 'load', values: new Map() }).then(resolve, reject);
        }
      })) as never);
    });
  }

  test('changes only what is another text', async () => {
    const cell = new CellDouble('a', '%%task load\nx = 1');
    const api = {
      readOptions: async () => ({}),
      writeOptions: async () => '%%task load --wait\nx = 1'
    };
    const applied = apply();

    await register(new Notebooks([LOADING, cell]), api).execute(TaskCommandIDs.edit);

    await applied;
    expect(cell.steps).toEqual(['|', '%%task load --wait\nx = 1', '|']);
  });

  test('does not write over what was changed meanwhile', async () => {
    const cell = new CellDouble('a', '%%task load\nx = 1');
    const api = {
      readOptions: async () => ({}),
      writeOptions: async () => '%%task load --wait\nx = 1'
    };
    const applied = apply(() => cell.updateSource(0, 0, '#'));

    await register(new Notebooks([LOADING, cell]), api).execute(TaskCommandIDs.edit);

    await expect(applied).rejects.toThrow('has been changed');
    expect(cell.getSource()).toBe('#%%task load\nx = 1');
  });

  test('is not opened for a line that cannot be understood, and the word is named', async () => {
    const error = jest.mocked(Notification.error).mockClear();
    const api = {
      readOptions: async () => {
        throw new Error('Unknown option --retris.');
      }
    };

    await register(new Notebooks([LOADING, new CellDouble('a', '%%task --retris 2')]), api).execute(
      TaskCommandIDs.edit
    );

    expect(error.mock.calls[0][0]).toContain('Unknown option --retris.');
  });
});

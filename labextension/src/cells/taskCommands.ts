/** The commands that make the active cell a task or an ordinary one, and that edit the options of its task. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { editIcon } from '@jupyterlab/ui-components';

import { notifyFailure } from '../notify';
import { readFields } from '../schemas';
import type { ICellsApi } from './cellsApi';
import { TaskDialog } from './taskDialog';
import {
  LOADING_LINE,
  TASK_LINE,
  editBetween,
  isTaskSource,
  loadsOrchestra,
  toggleTask
} from './taskSource';
import type { ISourceEdit } from './taskSource';

/** The ids of the commands. */
export const TaskCommandIDs = {
  toggle: 'orchestra:toggle-task',
  edit: 'orchestra:edit-task'
} as const;

/** What the commands need. */
export interface ITaskCommandOptions {
  readonly app: JupyterFrontEnd;
  readonly api: ICellsApi;
  readonly notebooks: INotebookTracker;
  readonly trans: TranslationBundle;
}

type SharedCell = Cell['model']['sharedModel'];

/** A code cell that may be changed, and its notebook. */
interface ITarget {
  readonly panel: NotebookPanel;
  readonly cell: Cell;
  readonly shared: SharedCell;
}

const ARGS = {
  type: 'object',
  properties: {
    isToolbar: { type: 'boolean', description: "Whether it is a button in a cell's toolbar" }
  }
} as const;

/** Add the commands. */
export function addTaskCommands(options: ITaskCommandOptions): void {
  const { app, notebooks, trans } = options;
  const { commands, shell } = app;
  const lines = new RemovedLines();
  const hints = new WeakSet<NotebookPanel>();
  const ofToolbar = (args: unknown): boolean => readFields(args)?.isToolbar === true;
  // a toolbar belongs to a notebook, which may not be in front yet
  const target = (args: unknown): ITarget | null =>
    ofToolbar(args) || notebooks.currentWidget === shell.currentWidget ? targetOf(notebooks) : null;

  commands.addCommand(TaskCommandIDs.toggle, {
    label: args => (ofToolbar(args) ? trans.__('Task') : trans.__('Run Cell as Task')),
    caption: () =>
      isTask(notebooks.activeCell)
        ? trans.__('Make this an ordinary cell again: its %1 line is taken out', TASK_LINE)
        : trans.__('Run this cell as a task: it gets a %1 line', TASK_LINE),
    describedBy: { args: ARGS },
    isToggled: () => isTask(notebooks.activeCell),
    isEnabled: args => target(args) !== null,
    isVisible: () => isCode(notebooks.activeCell),
    execute: args => {
      const found = target(args);
      if (found === null) {
        return;
      }
      const { panel, cell, shared } = found;
      const { edit, removedLine } = toggleTask(
        shared.getSource(),
        lines.of(panel).get(cell.model.id) ?? null
      );
      if (removedLine !== null) {
        lines.of(panel).set(cell.model.id, removedLine);
      }
      change(shared, edit);
      if (removedLine === null) {
        hintAtLoading(panel, cell, hints, trans);
      }
    }
  });
  commands.addCommand(TaskCommandIDs.edit, {
    label: trans.__('Edit Task Options…'),
    caption: trans.__('Edit the options of the %1 line of this cell in a form', TASK_LINE),
    icon: args => (ofToolbar(args) ? editIcon : undefined),
    describedBy: { args: ARGS },
    isEnabled: args => target(args) !== null,
    isVisible: args =>
      ofToolbar(args) ? isTask(notebooks.activeCell) : isCode(notebooks.activeCell),
    execute: async args => {
      const found = target(args);
      if (found !== null) {
        await editTask(options, found, hints);
      }
    }
  });
  const notify = (): void =>
    Object.values(TaskCommandIDs).forEach(id => commands.notifyCommandChanged(id));
  followActiveCell(notebooks, notify);
  shell.currentChanged?.connect(notify);
}

/** Give the active cell, where it is code of a Python notebook that may be changed. */
function targetOf(notebooks: INotebookTracker): ITarget | null {
  const panel = notebooks.currentWidget;
  const cell = notebooks.activeCell;
  if (panel === null || cell === null || cell.model.type !== 'code' || cell.readOnly) {
    return null;
  }
  const { model } = panel.content;
  const language = model?.defaultKernelLanguage ?? '';
  const isPython = language === '' || language.toLowerCase() === 'python';
  return model === null || model.readOnly || !isPython
    ? null
    : { panel, cell, shared: cell.model.sharedModel };
}

function isCode(cell: Cell | null): boolean {
  return cell !== null && !cell.isDisposed && cell.model.type === 'code';
}

function isTask(cell: Cell | null): boolean {
  return isCode(cell) && isTaskSource(cell?.model.sharedModel.getSource() ?? '');
}

/** Change the text of a cell so that one undo takes it back, and nothing else with it. */
function change(shared: SharedCell, { start, end, text }: ISourceEdit): void {
  stopCapturing(shared);
  shared.updateSource(start, end, text);
  stopCapturing(shared);
}

/** Have what comes next be another step of undo than what came before: Yjs joins what follows within half a second. */
function stopCapturing(shared: SharedCell): void {
  const { undoManager } = shared as { undoManager?: { stopCapturing?: () => void } | null };
  undoManager?.stopCapturing?.();
}

async function editTask(
  options: ITaskCommandOptions,
  { panel, cell, shared }: ITarget,
  hints: WeakSet<NotebookPanel>
): Promise<void> {
  const { api, trans } = options;
  const source = shared.getSource();
  try {
    const dialog = new TaskDialog({
      task: await api.readOptions(source),
      trans,
      take: async ({ name, values }) => {
        const written = await api.writeOptions(source, name, values);
        if (cell.isDisposed || shared.getSource() !== source) {
          const message = trans.__(
            'The cell has been changed while this was open. Close this, and open it again.'
          );
          throw new Error(message);
        }
        if (written !== source) {
          change(shared, editBetween(source, written));
        }
        hintAtLoading(panel, cell, hints, trans);
      }
    });
    await dialog.launch();
  } catch (error) {
    const what = trans.__('The options of this task cannot be edited in a form.');
    notifyFailure(trans, what, error);
  }
}

/** The `%%task` lines that the toggle took out of the cells of a notebook, by the ids of the cells. */
class RemovedLines {
  of(panel: NotebookPanel): Map<string, string> {
    const { sharedModel } = panel.context.model;
    const known = this._lines.get(sharedModel) ?? new Map<string, string>();
    this._lines.set(sharedModel, known);
    return known;
  }

  private readonly _lines = new WeakMap<object, Map<string, string>>();
}

/** Tell whenever the buttons of the active cell have to look another way. */
function followActiveCell(notebooks: INotebookTracker, notify: () => void): void {
  let followed: Cell | null = null;
  let wasTask = false;
  const onContent = (): void => {
    if (isTask(followed) !== wasTask) {
      wasTask = !wasTask;
      notify();
    }
  };
  const follow = (cell: Cell | null): void => {
    // the model of a cell that is gone is null, whatever its type says
    if (followed !== null && !followed.isDisposed) {
      followed.model.contentChanged.disconnect(onContent);
    }
    followed = cell;
    cell?.model.contentChanged.connect(onContent);
    wasTask = isTask(cell);
    notify();
  };
  notebooks.activeCellChanged.connect((_, cell) => follow(cell));
  follow(notebooks.activeCell);
}

/** Say once for each notebook what makes `%%task` known, where no cell above does that. */
function hintAtLoading(
  panel: NotebookPanel,
  cell: Cell,
  hints: WeakSet<NotebookPanel>,
  trans: TranslationBundle
): void {
  const { widgets } = panel.content;
  const above = widgets.slice(0, widgets.indexOf(cell)).map(each => each.model);
  const isLoaded = above.some(
    model => model.type === 'code' && loadsOrchestra(model.sharedModel.getSource())
  );
  if (isLoaded || hints.has(panel)) {
    return;
  }
  hints.add(panel);
  const message = trans.__('A cell above has to make %1 known: %2', TASK_LINE, LOADING_LINE);
  Notification.info(message, {
    autoClose: 10_000,
    actions: [
      {
        label: trans.__('Add this cell'),
        callback: () => {
          const { sharedModel } = panel.context.model;
          const first = sharedModel.cells.findIndex(each => each.cell_type === 'code');
          sharedModel.insertCell(Math.max(0, first), {
            cell_type: 'code',
            source: LOADING_LINE
          });
        }
      }
    ]
  });
}

/** The command that runs a notebook as a flow: it saves the notebook, asks for its parameters and starts the run. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { TranslationBundle } from '@jupyterlab/translation';

import { CommandIDs } from './commands';
import { clock } from './drawing/clock';
import { beginWith } from './form/earlierRuns';
import type { FormValues } from './form/form';
import { Unread } from './form/unread';
import { orchestraIcon } from './icon';
import { notifyFailure } from './notify';
import { OPEN_PAGE, textOfPath } from './pageCommands';
import { RunDialog } from './runDialog';
import { readFields, readTextOrNull } from './schemas';
import type { IRun } from './schemas';
import type { IOrchestraApi, IRunsModel } from './tokens';

/** The ids of the commands: with a form for the parameters, and without asking where all of them have defaults. */
export const RUN_NOTEBOOK = 'orchestra:run-notebook';
export const RUN_IN_BACKGROUND = 'orchestra:run-notebook-in-background';
/** Shows the page of the flow that a notebook is. */
export const SHOW_RUNS = 'orchestra:show-notebook-runs';

/** Where a notebook is looked for. */
export interface INotebookPlaces {
  readonly app: JupyterFrontEnd;
  readonly documents: IDocumentManager;
  /** Null where there is no file browser. */
  readonly browsers: IFileBrowserFactory | null;
}

/** What the command needs. */
export interface IRunNotebookOptions extends INotebookPlaces {
  readonly api: IOrchestraApi;
  readonly runs: IRunsModel;
  readonly trans: TranslationBundle;
  readonly locale?: string;
}

/** The arguments of a command that is about a notebook. */
export const NOTEBOOK_ARGS = {
  type: 'object',
  properties: {
    path: {
      type: 'string',
      description: 'The notebook, relative to the root folder; the one in front without it'
    },
    fromBrowser: { type: 'boolean', description: 'Take the notebook selected in the file browser' },
    isToolbar: { type: 'boolean', description: "Whether it is in the menu of a notebook's toolbar" }
  }
} as const;

const RUN_ARGS = {
  type: 'object',
  properties: {
    ...NOTEBOOK_ARGS.properties,
    runId: { type: 'string', description: 'A run of it, whose parameters the form starts from' }
  }
} as const;

/** Add the command. */
export function addRunNotebook(options: IRunNotebookOptions): void {
  const { app, trans } = options;
  const { commands, shell } = app;
  commands.addCommand(RUN_NOTEBOOK, {
    label: args =>
      readFields(args)?.isToolbar === true ? trans.__('Run Now…') : trans.__('Run as Flow…'),
    caption: trans.__('Run this notebook as a flow, in a kernel of its own'),
    icon: orchestraIcon,
    describedBy: { args: RUN_ARGS },
    isEnabled: args => notebookOf(options, args) !== null,
    isVisible: args => readFields(args)?.fromBrowser !== true || notebookOf(options, args) !== null,
    execute: async args => {
      const path = notebookOf(options, args);
      if (path !== null) {
        await runNotebook(options, path, true, readTextOrNull(readFields(args)?.runId));
      }
    }
  });
  commands.addCommand(RUN_IN_BACKGROUND, {
    label: args =>
      readFields(args)?.isToolbar === true
        ? trans.__('Run in the Background')
        : trans.__('Run as Flow in the Background'),
    caption: trans.__('Run this notebook as a flow with its defaults; what has none is asked for'),
    describedBy: { args: NOTEBOOK_ARGS },
    isEnabled: args => notebookOf(options, args) !== null,
    execute: async args => {
      const path = notebookOf(options, args);
      if (path !== null) {
        await runNotebook(options, path, false);
      }
    }
  });
  commands.addCommand(SHOW_RUNS, {
    label: args =>
      readFields(args)?.isToolbar === true
        ? trans.__('Show Its Runs')
        : trans.__('Show Runs of This Notebook'),
    caption: trans.__('Show how the runs of this notebook went'),
    describedBy: { args: NOTEBOOK_ARGS },
    isEnabled: args => notebookOf(options, args) !== null,
    execute: args => {
      const path = notebookOf(options, args);
      if (path !== null) {
        const notebook = app.serviceManager.contents.localPath(path);
        const flow = flowOf(PathExt.basename(notebook));
        void commands.execute(OPEN_PAGE, { path: textOfPath(['flows', flow, notebook]) });
      }
    }
  });
  shell.currentChanged?.connect(() => commands.notifyCommandChanged());
}

/** Give the path of the notebook that is meant; null when there is none. */
export function notebookOf(places: INotebookPlaces, args: unknown): string | null {
  const { app, browsers, documents } = places;
  const fields = readFields(args);
  const given = readTextOrNull(fields?.path);
  if (given !== null) {
    return given;
  }
  if (fields?.fromBrowser === true) {
    const selected = [...(browsers?.tracker.currentWidget?.selectedItems() ?? [])];
    return selected.length === 1 && selected[0].type === 'notebook' ? selected[0].path : null;
  }
  const current = app.shell.currentWidget;
  const context = current === null ? undefined : documents.contextForWidget(current);
  return context?.contentsModel?.type === 'notebook' ? context.path : null;
}

/** Give the name of the flow that a notebook is. */
function flowOf(notebook: string): string {
  return notebook.replace(/\.ipynb$/, '');
}

/**
 * @param asks - whether the form is shown where every parameter has a default, too
 * @param runId - the run that the form starts from; null for the defaults
 */
async function runNotebook(
  options: IRunNotebookOptions,
  fullPath: string,
  asks: boolean,
  runId: string | null = null
): Promise<void> {
  const { app, api, runs, trans, locale } = options;
  const path = app.serviceManager.contents.localPath(fullPath);
  const notebook = PathExt.basename(path);
  const question = {
    title: trans.__('Run %1 without your changes?', notebook),
    body: trans.__('The notebook could not be saved. The run would use the file as it is.'),
    accept: trans.__('Run the saved file'),
    cancel: trans.__('Cancel')
  };
  if (!(await isSaved(options.documents, fullPath, question))) {
    return;
  }
  try {
    const unread = new Unread(trans);
    const [parameters, earlier] = await Promise.all([
      api.readParameters(path),
      unread.orElse(trans.__('Earlier runs'), api.listEarlierRuns(flowOf(notebook)), [])
    ]);
    const start = async (values: FormValues, chosen: FormValues): Promise<void> => {
      const run = await api.runNotebook(path, values, chosen);
      void runs.load(run.run_id);
      tellStarted(options, run);
    };
    const { fields, isDeclared, problem } = parameters;
    const isKnown = !isDeclared || problem === '';
    if (!asks && isKnown && !fields.some(field => field.isRequired)) {
      await start(new Map(), new Map());
      return;
    }
    const again = runId === null ? null : (runs.run(runId) ?? (await api.readRun(runId)).run);
    const from =
      again === null ? { earlier } : beginWith(again, earlier, clock.now(), trans, locale);
    const notice = unread.notice();
    const dialog = new RunDialog({ notebook, parameters, ...from, notice, trans, locale, start });
    await dialog.launch();
  } catch (error) {
    notifyFailure(trans, trans.__('%1 cannot be run.', notebook), error);
  }
}

/** What is asked where a notebook cannot be saved. */
export interface IUnsavedQuestion {
  readonly title: string;
  readonly body: string;
  readonly accept: string;
  readonly cancel: string;
}

/** Save an open notebook that was changed; false where the file must not be used. */
export async function isSaved(
  documents: IDocumentManager,
  path: string,
  question: IUnsavedQuestion
): Promise<boolean> {
  const context = documents.findWidget(path, null)?.context;
  if (context === undefined || !context.model.dirty) {
    return true;
  }
  try {
    await context.save();
    return true;
  } catch {
    // JupyterLab has said why
    const answer = await showDialog({
      title: question.title,
      body: question.body,
      buttons: [
        Dialog.cancelButton({ label: question.cancel }),
        Dialog.warnButton({ label: question.accept })
      ],
      defaultButton: 0
    });
    return answer.button.accept;
  }
}

function tellStarted(options: IRunNotebookOptions, run: IRun): void {
  const { app, trans } = options;
  Notification.success(trans.__('Run %1 of %2 has started.', run.name, run.flow_name), {
    autoClose: 10_000,
    actions: [
      {
        label: trans.__('Show'),
        caption: trans.__('Show the run in the side bar, and its logs'),
        displayType: 'accent',
        callback: () => {
          void app.commands.execute(CommandIDs.openPanel);
          void app.commands.execute(CommandIDs.openLogs, { runId: run.run_id });
        }
      }
    ]
  });
}

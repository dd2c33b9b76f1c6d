/** The commands: open the panel, a run or its logs, and cancel a run. */

import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import {
  Dialog,
  InputDialog,
  MainAreaWidget,
  Notification,
  WidgetTracker,
  showDialog
} from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { isLive, stateLook } from './drawing/states';
import type { ITexts } from './drawing/translation';
import { orchestraIcon } from './icon';
import { firstFile } from './labFiles';
import { LogsView } from './logsView';
import { contentsPaths } from './notebookPaths';
import { notifyFailure } from './notify';
import { readFields, readTextOrNull } from './schemas';
import type { IRun } from './schemas';
import type { IOrchestraApi, IRunsModel } from './tokens';

/** The ids of our commands. */
export const CommandIDs = {
  openPanel: 'orchestra:open-panel',
  openRun: 'orchestra:open-run',
  openLogs: 'orchestra:open-logs',
  cancelRun: 'orchestra:cancel-run'
} as const;

/** The id of the side bar's panel. */
export const PANEL_ID = 'orchestra-nb-panel';

/** What the commands need. */
export interface ICommandOptions {
  readonly app: JupyterFrontEnd;
  /** Null in Jupyter Notebook, whose main area has room for the notebook only. */
  readonly labShell: ILabShell | null;
  readonly api: IOrchestraApi;
  readonly runs: IRunsModel;
  /** Give a run that is shown and is none of the listed ones. */
  readonly alsoKnown?: (runId: string) => IRun | undefined;
  readonly trans: TranslationBundle;
  readonly locale?: string;
}

/** What commands on a run take. */
export const RUN_ARGS = {
  type: 'object',
  properties: {
    runId: { type: 'string', description: 'The id of the run; asked for without it' },
    fromRow: { type: 'boolean', description: "Take the run of the context menu's row" }
  }
} as const;

const LOGS_ARGS = {
  type: 'object',
  properties: {
    ...RUN_ARGS.properties,
    taskRunId: { type: 'string', description: 'The id of a task run: only its lines are shown' }
  }
} as const;

/** Add the commands; gives the tracker of the tabs with logs. */
export function addCommands(options: ICommandOptions): WidgetTracker<MainAreaWidget<LogsView>> {
  const { app, trans } = options;
  const { commands } = app;
  const logs = new LogTabs(options);
  const chooser = new RunChooser(options);
  const isRun = (run: IRun): boolean => run.run_id !== '';
  const isActive = (run: IRun): boolean => isLive(run.state);
  // The palette asks which run is meant, and shows the label among those of all extensions.
  const label = (ofRow: string, ofAny: string) => (args: unknown) =>
    readFields(args)?.fromRow === true ? ofRow : ofAny;

  commands.addCommand(CommandIDs.openPanel, {
    label: trans.__('Show Orchestra Runs'),
    caption: trans.__('Show active and recent runs in the side bar'),
    icon: orchestraIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => app.shell.activateById(PANEL_ID)
  });
  commands.addCommand(CommandIDs.openRun, {
    label: label(trans.__('Open Executed Notebook'), trans.__('Open Notebook of Orchestra Run…')),
    caption: trans.__('Open the executed notebook of a run, or its logs where there is none'),
    describedBy: { args: RUN_ARGS },
    isVisible: args => chooser.hasChoice(args, isRun),
    execute: async args => {
      const runId = await chooser.choose(args, trans.__('Open a run'), isRun);
      if (runId !== null && (await orNotify(openNotebook(options, runId), trans)) === false) {
        await commands.execute(CommandIDs.openLogs, { runId });
      }
    }
  });
  commands.addCommand(CommandIDs.openLogs, {
    label: label(trans.__('Show Logs of Run'), trans.__('Show Logs of Orchestra Run…')),
    caption: trans.__('Show the log lines of a run as they come'),
    describedBy: { args: LOGS_ARGS },
    isVisible: args => chooser.hasChoice(args, isRun),
    execute: async args => {
      const runId = await chooser.choose(args, trans.__('Show the logs of a run'), isRun);
      if (runId !== null) {
        logs.open(runId, readTextOrNull(readFields(args)?.taskRunId));
      }
    }
  });
  commands.addCommand(CommandIDs.cancelRun, {
    label: label(trans.__('Cancel Run…'), trans.__('Cancel Orchestra Run…')),
    caption: trans.__('Ask a run to stop'),
    describedBy: { args: RUN_ARGS },
    isVisible: args => chooser.hasChoice(args, isActive),
    execute: async args => {
      const runId = await chooser.choose(args, trans.__('Cancel a run'), isActive);
      if (runId !== null) {
        await cancelRun(options, runId);
      }
    }
  });
  return logs.tracker;
}

/** Ask the server to stop one task; what goes wrong is said in a notification. */
export async function cancelTask(
  api: IOrchestraApi,
  runId: string,
  taskRunId: string
): Promise<void> {
  await orNotify(api.cancelTask(runId, taskRunId), null);
}

/** Finds the run that a command is about: from its arguments, from the row under the context menu, or by asking. */
export class RunChooser {
  constructor(
    private readonly _options: Pick<ICommandOptions, 'app' | 'api' | 'runs' | 'alsoKnown' | 'trans'>
  ) {}

  async choose(
    args: unknown,
    title: string,
    accept: (run: IRun) => boolean
  ): Promise<string | null> {
    const given = readTextOrNull(readFields(args)?.runId) ?? this._runOfRow(args)?.run_id;
    if (given !== undefined) {
      return given;
    }
    const { api, trans } = this._options;
    const page = await orNotify(api.listRuns(50), trans);
    const runs = (page?.runs ?? []).filter(accept);
    if (runs.length === 0) {
      if (page !== undefined) {
        Notification.info(trans.__('There is no such run now.'), { autoClose: 4000 });
      }
      return null;
    }
    const labels = runs.map(
      run => `${run.flow_name} · ${run.name} · ${stateLook(run.state).word(trans)}`
    );
    const choice = await InputDialog.getItem({ title, label: trans.__('Run:'), items: labels });
    const index = choice.button.accept ? labels.indexOf(choice.value ?? '') : -1;
    return index < 0 ? null : runs[index].run_id;
  }

  /** Tell whether the run that is meant, or any that is known where none is, is acceptable. */
  hasChoice(args: unknown, accept: (run: IRun) => boolean): boolean {
    if (readTextOrNull(readFields(args)?.runId) !== null) {
      return true;
    }
    const row = this._runOfRow(args);
    return row === undefined ? this._options.runs.runs.some(accept) : accept(row);
  }

  private _runOfRow(args: unknown): IRun | undefined {
    if (readFields(args)?.fromRow !== true) {
      return undefined;
    }
    const row = this._options.app.contextMenuHitTest(node => node.dataset.runId !== undefined);
    const { runs, alsoKnown } = this._options;
    const runId = row?.dataset.runId ?? '';
    return runs.run(runId) ?? alsoKnown?.(runId);
  }
}

/** The tabs with logs: one for each run. */
class LogTabs {
  constructor(private readonly _options: ICommandOptions) {}

  readonly tracker = new WidgetTracker<MainAreaWidget<LogsView>>({ namespace: 'orchestra-logs' });

  open(runId: string, taskRunId: string | null): void {
    const { app, labShell } = this._options;
    let tab = this.tracker.find(widget => widget.id === tabId(runId));
    if (tab === undefined) {
      tab = this._make(runId);
      void this.tracker.add(tab);
    }
    tab.content.showTask(taskRunId);
    if (!tab.isAttached) {
      app.shell.add(tab, labShell ? 'main' : 'down');
    }
    app.shell.activateById(tab.id);
  }

  private _make(runId: string): MainAreaWidget<LogsView> {
    const { api, runs, trans, locale } = this._options;
    const content = new LogsView({ runId, api, runs, texts: trans, locale });
    const tab = new MainAreaWidget({ content });
    tab.id = tabId(runId);
    tab.toolbar.hide();
    tab.title.icon = orchestraIcon;
    tab.title.closable = true;
    const name = (): void => {
      const run = runs.run(runId);
      tab.title.label = run ? trans.__('Logs: %1', run.name) : trans.__('Logs');
      tab.title.caption = run ? `${run.flow_name} · ${run.name}` : runId;
    };
    name();
    runs.changed.connect(name);
    tab.disposed.connect(() => runs.changed.disconnect(name));
    return tab;
  }
}

function tabId(runId: string): string {
  return `orchestra-logs-${runId}`;
}

/** Open what a run wrote, or the notebook that its cells ran in; false when there is no such file to be seen here. */
async function openNotebook(options: ICommandOptions, runId: string): Promise<boolean> {
  const { app, api, runs, trans } = options;
  const run = runs.run(runId) ?? (await orNotify(api.readRun(runId), trans))?.run;
  const file = run?.output_path ?? (run?.kind === 'interactive' ? run.notebook_path : null);
  if (!file) {
    return false;
  }
  const paths = contentsPaths(file, PageConfig.getOption('serverRoot'));
  const path = await firstFile(app.serviceManager.contents, paths);
  if (path !== null) {
    await app.commands.execute('docmanager:open', { path });
  }
  return path !== null;
}

async function cancelRun(options: ICommandOptions, runId: string): Promise<void> {
  const { api, runs, trans } = options;
  const run = runs.run(runId);
  const result = await showDialog({
    title: run
      ? trans.__('Cancel run %1 of %2?', run.name, run.flow_name)
      : trans.__('Cancel this run?'),
    body: trans.__('Its running tasks are stopped, and those that wait will not start.'),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep running') }),
      Dialog.warnButton({ label: trans.__('Cancel run') })
    ],
    defaultButton: 0
  });
  if (result.button.accept) {
    await orNotify(api.cancelRun(runId), trans);
  }
}

/** Give the answer, or say what went wrong and give nothing. */
async function orNotify<T>(answer: Promise<T>, texts: ITexts | null): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    notifyFailure(texts, '', error);
    return undefined;
  }
}

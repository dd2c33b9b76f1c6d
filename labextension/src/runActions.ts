/** The commands that do something with a run that has ended: retry it, run its notebook again, copy its id. */

import { Clipboard, Notification } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';

import { RunChooser } from './commands';
import type { ICommandOptions } from './commands';
import { isLive } from './drawing/states';
import { firstFile } from './labFiles';
import { contentsPaths } from './notebookPaths';
import { notifyFailure } from './notify';
import type { IOverviewApi } from './overview/overviewApi';
import { RUN_NOTEBOOK } from './runNotebook';
import { readFields } from './schemas';
import type { IRun } from './schemas';

/** The ids of the commands. */
export const RunActionIDs = {
  retryRun: 'orchestra:retry-run',
  runAgain: 'orchestra:run-again',
  copyRunId: 'orchestra:copy-run-id'
} as const;

/** The states that a run can be retried from. */
const RETRIED = ['FAILED', 'TIMED_OUT', 'CRASHED', 'CANCELLED'];

const ARGS = {
  type: 'object',
  properties: {
    runId: { type: 'string', description: 'The id of the run; asked for without it' },
    fromRow: { type: 'boolean', description: "Take the run of the context menu's row" }
  }
} as const;

/** Add the commands. */
export function addRunActions(options: ICommandOptions, overview: IOverviewApi): void {
  const { app, api, runs, trans } = options;
  const { commands } = app;
  const chooser = new RunChooser(options);
  const label = (ofRow: string, ofAny: string) => (args: unknown) =>
    readFields(args)?.fromRow === true ? ofRow : ofAny;
  const runOf = async (runId: string): Promise<IRun> =>
    runs.run(runId) ?? (await api.readRun(runId)).run;

  commands.addCommand(RunActionIDs.retryRun, {
    label: label(trans.__('Retry Run'), trans.__('Retry Orchestra Run…')),
    caption: trans.__(
      'Run it again in the same run, without what has been kept: a run of a deployment or a notebook that failed or was cancelled'
    ),
    describedBy: { args: ARGS },
    isVisible: args => chooser.hasChoice(args, canRetry),
    execute: async args => {
      const runId = await chooser.choose(args, trans.__('Retry a run'), canRetry);
      if (runId === null) {
        return;
      }
      try {
        const wait = await overview.retryRun(runId);
        const name = runs.run(runId)?.name ?? runId;
        const message = wait === '' ? trans.__('Run %1 goes on.', name) : `${name}: ${wait}`;
        Notification.success(message, { autoClose: 5000 });
      } catch (error) {
        notifyFailure(trans, trans.__('The run could not be retried.'), error);
      }
    }
  });
  commands.addCommand(RunActionIDs.runAgain, {
    label: label(trans.__('Run Again…'), trans.__('Run Notebook of Orchestra Run Again…')),
    caption: trans.__(
      'Run its notebook as it is now, in a new run, with a form for the parameters'
    ),
    describedBy: { args: ARGS },
    isVisible: args => chooser.hasChoice(args, canRunAgain),
    execute: async args => {
      const title = trans.__('Run the notebook of a run again');
      const runId = await chooser.choose(args, title, canRunAgain);
      if (runId === null) {
        return;
      }
      try {
        const path = await notebookBelowRoot(options, await runOf(runId));
        if (path === null) {
          const text = trans.__('The notebook of this run is not below the folder of this server.');
          Notification.warning(text, { autoClose: 8000 });
        } else {
          await commands.execute(RUN_NOTEBOOK, { path, runId });
        }
      } catch (error) {
        notifyFailure(trans, trans.__('The run could not be read.'), error);
      }
    }
  });
  commands.addCommand(RunActionIDs.copyRunId, {
    label: label(trans.__('Copy Run ID'), trans.__('Copy ID of Orchestra Run…')),
    caption: trans.__('Copy the id of a run, for the shell and for programs'),
    describedBy: { args: ARGS },
    isVisible: args => chooser.hasChoice(args, () => true),
    execute: async args => {
      const runId = await chooser.choose(args, trans.__('Copy the id of a run'), () => true);
      if (runId !== null) {
        Clipboard.copyToSystem(runId);
        Notification.info(trans.__('The run id has been copied.'), { autoClose: 3000 });
      }
    }
  });
}

function canRetry(run: IRun): boolean {
  return RETRIED.includes(run.state) && (run.deployment !== null || run.kind === 'notebook');
}

function canRunAgain(run: IRun): boolean {
  return run.kind === 'notebook' && run.notebook_path !== null && !isLive(run.state);
}

/** Give the path of the notebook of a run as the file browser has it; null where it is not there. */
function notebookBelowRoot(options: ICommandOptions, run: IRun): Promise<string | null> {
  const paths = contentsPaths(run.notebook_path ?? '', PageConfig.getOption('serverRoot'));
  return firstFile(options.app.serviceManager.contents, paths);
}

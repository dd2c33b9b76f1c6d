/** Runs a run's notebook or deployment again, with parameters that start from those of the run, or of another one. */

import { ApiError } from '../../apiError';
import { html } from '../../drawing/elements';
import { isLive } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import { beginWith } from '../../form/earlierRuns';
import type { IEarlierRun } from '../../form/earlierRuns';
import type { INotebookParameters } from '../../form/fields';
import { ParametersForm, errorsBesideParameters } from '../../form/parametersForm';
import type { IParametersFormOptions } from '../../form/parametersForm';
import { RunForm } from '../../form/runForm';
import { Unread } from '../../form/unread';
import { readValueFields, valueFields } from '../../form/valueFields';
import type { IRun } from '../../schemas';
import { copyRow } from '../copyRow';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';
import { NO_WAY } from './rerunForecast';
import type { IWayToNewRun } from './rerunForecast';

/** What is asked, and how the run is started with what was filled in. */
interface IAgainForm {
  readonly node: HTMLElement;
  /** Start it; null where something is wrong, which is shown. */
  start(): Promise<IRun> | null;
  /** Show an error at the fields that it names; false where it names none, or one that is not here. */
  showError(error: unknown): boolean;
}

/** Tell whether a run can be run again from here: it is of a deployment, or its notebook is a file of this server. */
export function canRunAgain(context: IPageContext, run: IRun): boolean {
  return run.deployment !== null || notebookPaths(context, run).length > 0;
}

/** Tell whether only the server knows if a run can be run again: it has ended, and is of a flow of no deployment. */
export function mayHaveWay(run: IRun): boolean {
  return run.kind === 'flow' && run.deployment === null && !isLive(run.state);
}

/**
 * Ask for parameters and run it again; gives the new run, null where it was not wanted, or a command is to do it.
 *
 * @param way - of a flow of no deployment: how it is run anew
 */
export async function runAgain(
  context: IPageContext,
  run: IRun,
  way: IWayToNewRun = NO_WAY
): Promise<IRun | null> {
  const { texts } = context;
  const unread = new Unread(texts);
  const deployment = run.deployment ?? way.deployment;
  if (deployment === null && way.command !== '') {
    await tellCommand(run, way.command, texts);
    return null;
  }
  const form = await (deployment === null
    ? formOfNotebook(context, run, unread)
    : formOfDeployment(context, run, deployment, unread));
  const notice = unread.notice();
  let started: IRun | null = null;
  await ask(
    {
      title: texts.__('Run %1 again', run.flow_name),
      body: notice === null ? [form.node] : [notice, form.node],
      act: texts.__('Run it'),
      leave: texts.__('Do not run'),
      onAct: async () => {
        started = (await form.start()) ?? null;
        return started !== null;
      },
      onError: error => form.showError(error)
    },
    texts
  );
  return started;
}

function tellCommand(run: IRun, command: string, texts: ITexts): Promise<boolean> {
  const said = texts.__('It is of no deployment, so no service can run it again.');
  const label = texts.__('This does, on the machine where its code is, with its parameters');
  return ask(
    {
      title: texts.__('Run %1 again', run.flow_name),
      body: [html('p', {}, said), copyRow(label, command, texts)],
      act: null,
      leave: texts.__('Close'),
      onAct: () => Promise.resolve(false)
    },
    texts
  );
}

async function formOfDeployment(
  context: IPageContext,
  run: IRun,
  deployment: string,
  unread: Unread
): Promise<IAgainForm> {
  const { pagesApi, texts } = context;
  const [parameters, earlier] = await Promise.all([
    pagesApi.readDeployedParameters(deployment),
    unread.orElse(texts.__('Earlier runs'), pagesApi.listEarlierRunsOf(deployment), [])
  ]);
  const path = run.notebook_path ?? '';
  const { options, read } = formOptions(context, run, { ...parameters, path }, earlier);
  const form = new ParametersForm(options);
  return {
    node: form.node,
    start: () => {
      const values = form.read();
      return values === null ? null : pagesApi.runDeployment(deployment, read(values));
    },
    showError: error => {
      const places: ReadonlyMap<string, string> =
        error instanceof ApiError ? error.errors : new Map();
      const areShown = form.showErrors(places);
      return places.size > 0 && areShown && errorsBesideParameters(places).size === 0;
    }
  };
}

async function formOfNotebook(
  context: IPageContext,
  run: IRun,
  unread: Unread
): Promise<IAgainForm> {
  const { api, texts } = context;
  const [{ path, parameters }, earlier] = await Promise.all([
    findNotebook(context, run),
    unread.orElse(texts.__('Earlier runs'), api.listEarlierRuns(run.flow_name), [])
  ]);
  const { options, read } = formOptions(context, run, parameters, earlier);
  const form = new RunForm(options);
  return {
    node: form.node,
    start: () => {
      const values = form.read();
      return values === null
        ? null
        : api.runNotebook(path, read(values.parameters), values.options);
    },
    showError: error => form.showError(error)
  };
}

/** Have a form start from the run; where nobody tells what there is, with a field for each value that was given. */
function formOptions(
  context: IPageContext,
  run: IRun,
  parameters: INotebookParameters,
  earlier: readonly IEarlierRun[]
): { readonly options: IParametersFormOptions; readonly read: typeof readValueFields } {
  const { texts, locale, clock } = context;
  const { begin, earlier: others } = beginWith(run, earlier, clock.now(), texts, locale);
  const isFree = parameters.takesOthers && parameters.fields.length === 0;
  const given = others.filter(one => one.notebookPath === parameters.path);
  const known = Object.assign({}, ...given.map(one => one.parameters).reverse(), run.parameters);
  return {
    options: {
      parameters: isFree
        ? { ...parameters, takesOthers: false, fields: valueFields(known, texts) }
        : parameters,
      earlier: others,
      begin,
      trans: texts,
      locale
    },
    read: isFree ? readValueFields : values => values
  };
}

function notebookPaths(context: IPageContext, run: IRun): readonly string[] {
  const isNotebook = run.kind === 'notebook' && run.notebook_path !== null;
  return isNotebook ? context.serverPaths(run.notebook_path ?? '') : [];
}

/** Find the notebook among the paths that it may have, and what parameters it takes now. */
async function findNotebook(
  context: IPageContext,
  run: IRun
): Promise<{ readonly path: string; readonly parameters: INotebookParameters }> {
  let problem: unknown = new ApiError(
    context.texts.__('The notebook of this run is no file of this server.'),
    404,
    'notebook_not_found'
  );
  for (const path of notebookPaths(context, run)) {
    try {
      return { path, parameters: await context.api.readParameters(path) };
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

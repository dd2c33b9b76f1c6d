/** Runs a run's notebook or deployment again, with parameters that start from those of the run. */

import { ApiError } from '../../apiError';
import { html } from '../../drawing/elements';
import type { INotebookParameters } from '../../form/fields';
import { Form } from '../../form/form';
import type { FormValues } from '../../form/form';
import { readValueFields, valueFields } from '../../form/valueFields';
import type { IRun } from '../../schemas';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';

const OF_PARAMETERS = '#/parameters/';

/** Tell whether a run can be run again from here: it is of a deployment, or its notebook is a file of this server. */
export function canRunAgain(context: IPageContext, run: IRun): boolean {
  return run.deployment !== null || notebookPaths(context, run).length > 0;
}

/** Ask for parameters and run it again; gives the new run, null where it was not wanted. */
export async function runAgain(context: IPageContext, run: IRun): Promise<IRun | null> {
  const { pagesApi, api, texts } = context;
  if (run.deployment !== null) {
    const deployment = run.deployment;
    const form = new Form(valueFields(run.parameters, texts), texts, texts.__('Parameters'));
    form.fill(run.parameters);
    return askAndStart(context, run, form, values =>
      pagesApi.runDeployment(deployment, readValueFields(values))
    );
  }
  const { path, parameters } = await findNotebook(context, run);
  const isFree = parameters.takesOthers && parameters.fields.length === 0;
  const fields = isFree ? valueFields(run.parameters, texts) : parameters.fields;
  const form = new Form(fields, texts, texts.__('Parameters'));
  form.fill(run.parameters);
  return askAndStart(context, run, form, values =>
    api.runNotebook(path, isFree ? readValueFields(values) : values, new Map())
  );
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

async function askAndStart(
  context: IPageContext,
  run: IRun,
  form: Form,
  start: (values: FormValues) => Promise<IRun>
): Promise<IRun | null> {
  const { texts } = context;
  const isEmpty = form.node.childElementCount === 0;
  const none = html('p', {}, texts.__('It takes no parameters.'));
  let started: IRun | null = null;
  await ask(
    {
      title: texts.__('Run %1 again', run.flow_name),
      body: [isEmpty ? none : form.node],
      act: texts.__('Run'),
      leave: texts.__('Do not run'),
      onAct: async () => {
        const values = form.read();
        if (values === null) {
          return false;
        }
        started = await start(values);
        return true;
      },
      onError: error => form.showErrors(parameterErrors(error))
    },
    texts
  );
  return started;
}

/** Give what the server says of parameters: name to text. */
function parameterErrors(error: unknown): ReadonlyMap<string, string> {
  const places = error instanceof ApiError ? [...error.errors] : [];
  return new Map(
    places
      .filter(([pointer]) => pointer.startsWith(OF_PARAMETERS))
      .map(([pointer, detail]) => [pointer.slice(OF_PARAMETERS.length), detail])
  );
}

/** Asks which state a run is to have, and why, and sets it by hand. */

import { ApiError } from '../../apiError';
import { html } from '../../drawing/elements';
import { STATE_LOOKS, isLive } from '../../drawing/states';
import { plainField } from '../../form/fields';
import { Form } from '../../form/form';
import type { IRun } from '../../schemas';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';

const SETTABLE = ['COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED'] as const;

/** Tell whether the state of a run can be set: it has ended, or is suspended; one that goes on is cancelled first. */
export function canSetState(run: IRun): boolean {
  return !isLive(run.state) || (run.state === 'PAUSED' && run.driver_id === null);
}

/**
 * Give what a run's message says of who set its state and why, such as "ana: checked by hand"; null where nobody did.
 * The message is the server's: see `run_state_setting.py`.
 */
export function whoSetState({ state, message }: IRun): string | null {
  const said = `set to ${state} by `;
  return message.startsWith(said) ? message.slice(said.length) : null;
}

/** Ask, and set the state; true where it was set. */
export function askForState({ pagesApi, texts }: IPageContext, run: IRun): Promise<boolean> {
  const offered = SETTABLE.filter(state => state !== run.state);
  const choices = offered.map(state => ({
    json: JSON.stringify(state),
    label: STATE_LOOKS[state].word(texts)
  }));
  const state = plainField({
    ...{ name: 'state', label: texts.__('State'), kind: 'choice', help: '' },
    isRequired: true,
    initial: choices[0].json,
    choices
  });
  const note = plainField({
    ...{ name: 'note', label: texts.__('Note'), kind: 'text' },
    help: texts.__("Why, for the run's history.")
  });
  const form = new Form([state, note], texts, null);
  const said = texts.__(
    'Nothing is run. What follows a run that ends so follows now: notifications, automations. Completed also closes what is open of its dead letters.'
  );
  return ask(
    {
      title: texts.__('Set the state of run %1', run.name),
      body: [html('p', {}, said), form.node],
      act: texts.__('Set state'),
      leave: texts.__('Leave as it is'),
      onAct: async () => {
        const values = form.read();
        if (values === null) {
          return false;
        }
        await pagesApi.setRunState(run.run_id, values);
        return true;
      },
      onError: error => form.showErrors(placesOf(error))
    },
    texts
  );
}

function placesOf(error: unknown): ReadonlyMap<string, string> {
  const places = error instanceof ApiError ? [...error.errors] : [];
  return new Map(places.map(([pointer, detail]) => [pointer.replace('#/', ''), detail]));
}

/** Asks before a run is cancelled. */

import type { IRun } from '../../schemas';
import { ask } from '../dialogs';
import type { IPageContext } from '../page';

/** Ask, and have the run stopped; true where it was asked to stop. */
export function askToCancel({ api, texts }: IPageContext, run: IRun): Promise<boolean> {
  return ask(
    {
      title: texts.__('Cancel run %1 of %2?', run.name, run.flow_name),
      body: [texts.__('Its running tasks are stopped, and those that wait will not start.')],
      act: texts.__('Cancel run'),
      leave: texts.__('Keep running'),
      onAct: async () => {
        await api.cancelRun(run.run_id);
        return true;
      }
    },
    texts
  );
}

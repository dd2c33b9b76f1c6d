/** Asks before the notebook of a run is resumed from a cell: what is taken from before, and what runs again. */

import { html } from '../../drawing/elements';
import type { ITexts } from '../../drawing/translation';
import type { IRun } from '../../schemas';
import { ask, errorText } from '../dialogs';
import type { IPageContext } from '../page';
import type { RunRecords } from './runRecords';

/** The states of a run whose notebook can be resumed from a cell. */
const RESUMABLE = ['COMPLETED', 'FAILED', 'TIMED_OUT', 'CRASHED', 'CANCELLED', 'UPSTREAM_FAILED'];

/** Tell whether the notebook of a run may be resumed from one of its cells: it has ended. */
export function canResume(run: IRun | null): boolean {
  return run !== null && run.kind === 'notebook' && RESUMABLE.includes(run.state);
}

/** Ask, and have the notebook resumed from this cell; true where it is. The dialog says where it cannot be, and why. */
export async function askToResume(
  { pagesApi, texts }: IPageContext,
  { run, cellNames }: RunRecords,
  cellId: string
): Promise<boolean> {
  const at = [...cellNames.keys()].indexOf(cellId);
  const names = [...cellNames.values()];
  if (run === null || at < 0) {
    return false;
  }
  const title = texts.__('Resume run %1 from %2', run.name, names[at]);
  const problem = await pagesApi
    .readResumption(run.run_id, cellId)
    .catch((error: unknown) => errorText(error, texts));
  if (problem !== '') {
    const body = [html('p', { class: 'orc-problem' }, problem)];
    const onAct = () => Promise.resolve(false);
    return ask({ title, body, act: null, leave: texts.__('Close'), onAct }, texts);
  }
  const facts = html(
    'dl',
    { class: 'orc-fact-list' },
    html('dt', {}, texts.__('Taken from before')),
    html('dd', {}, takenWords(names.slice(0, at), texts)),
    html('dt', {}, texts.__('Run again')),
    html('dd', {}, rangeWords(names.slice(at), texts))
  );
  const said = texts.__(
    'It goes on in the same run, with the source and the parameters that it had.'
  );
  return ask(
    {
      title,
      body: [html('p', {}, said), facts],
      act: texts.__('Resume'),
      leave: texts.__('Leave as it is'),
      onAct: async () => {
        await pagesApi.retryRun(run.run_id, cellId);
        return true;
      }
    },
    texts
  );
}

/** Say which cells are replayed, and which of them run nevertheless. */
function takenWords(names: readonly string[], texts: ITexts): string {
  return names.length === 0
    ? texts.__('Nothing: it is the first cell.')
    : texts.__(
        '%1, as far as they were kept. One that cannot be kept, or whose inputs have changed, runs again.',
        rangeWords(names, texts)
      );
}

function rangeWords(names: readonly string[], texts: ITexts): string {
  return names.length === 1 ? names[0] : texts.__('%1 to %2', names[0], names[names.length - 1]);
}

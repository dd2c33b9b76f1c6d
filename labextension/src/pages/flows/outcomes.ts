/** The last runs of a flow as small squares, the newest at the end. */

import { html } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { stateLook } from '../../drawing/states';
import type { IPageContext } from '../page';
import type { IFlowRun } from './flowSchemas';
import { runWords } from './flowWords';

/** Draw the squares of runs that come the newest first. */
export function outcomeSquares(runs: readonly IFlowRun[], context: IPageContext): HTMLElement {
  const { texts, clock, locale } = context;
  const words = runs.map(run => stateLook(run.state).word(texts)).join(', ');
  const label = texts.__('The newest first: %1', words);
  const node = html('span', { class: 'orc-outcomes', role: 'img', 'aria-label': label });
  for (const run of [...runs].reverse()) {
    const look = stateLook(run.state);
    node.append(
      html(
        'span',
        {
          class: 'orc-outcome',
          'data-state': run.state,
          'data-tone': look.tone,
          title: runWords(run, clock.now(), texts, locale)
        },
        stateIcon(look.icon)
      )
    );
  }
  return node;
}

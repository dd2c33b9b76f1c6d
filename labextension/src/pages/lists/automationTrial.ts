/** What an automation would have done: read, and told in words. */

import { html } from '../../drawing/elements';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';
import type { IPageContext } from '../page';
import { agoNode } from './listTable';
import { readWarnings } from './warningNotice';

/** One time that it would have acted, or would not. */
export interface ITrialFiring {
  readonly at: string;
  readonly about: string;
  readonly isMet: boolean;
  readonly refusal: string;
  /** As files say them. */
  readonly actions: readonly string[];
}

/** What came of a trial. */
export interface ITrial {
  readonly lookedAt: number;
  readonly isCut: boolean;
  readonly firings: readonly ITrialFiring[];
  /** What may be wrong with it, and why it was not looked for files. */
  readonly problems: readonly string[];
}

/** Read a trial. */
export function readTrial(data: unknown): ITrial {
  const fields = readFields(data);
  const problem = (file: unknown): string | null =>
    readTextOrNull(readFields(file)?.problem) || null;
  return {
    lookedAt: readNumber(fields?.looked_at) ?? 0,
    isCut: fields?.is_cut === true,
    firings: readList(fields?.firings, readFiring),
    problems: [...readWarnings(data), ...readList(fields?.files, problem)]
  };
}

function readFiring(data: unknown): ITrialFiring | null {
  const fields = readFields(data);
  const at = readTextOrNull(fields?.at);
  return fields === null || at === null
    ? null
    : {
        at,
        about: readTextOrNull(fields.about) ?? '',
        isMet: fields.is_met === true,
        refusal: readTextOrNull(fields.refusal) ?? '',
        actions: readList(fields.actions, action => JSON.stringify(action))
      };
}

/** Tell it. */
export function trialNode(trial: ITrial, context: IPageContext): Node {
  const { texts } = context;
  const acts = trial.firings.filter(firing => firing.isMet && firing.refusal === '').length;
  const words = [
    texts._n(
      'It would have acted %1 time; nothing was done.',
      'It would have acted %1 times; nothing was done.',
      acts
    ),
    texts._n(
      'It looked at %1 thing that happened.',
      'It looked at %1 things that happened.',
      trial.lookedAt
    ),
    trial.isCut ? texts.__('So much happened that it did not look at all of it.') : ''
  ];
  const items = trial.firings.map(firing => {
    const line = html('li', {}, agoNode(context, firing.at), `: ${firing.about}. `);
    line.append(firingWords(firing, context));
    return line;
  });
  return html(
    'div',
    {},
    html('p', {}, words.filter(word => word !== '').join(' ')),
    ...trial.problems.map(problem => html('p', { class: 'orc-warnings' }, problem)),
    ...(items.length === 0 ? [] : [html('ul', { class: 'orc-firings', tabindex: 0 }, ...items)])
  );
}

function firingWords(firing: ITrialFiring, { texts }: IPageContext): string {
  if (firing.refusal !== '') {
    return firing.refusal;
  }
  return firing.isMet ? firing.actions.join(', ') : texts.__('Its condition does not hold.');
}

/** Rules of notifications: what one says, in the words of a list. */

import { formatElapsed } from '../../drawing/durations';
import { stateLook } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import { readFields, readList, readNumber, readTextOrNull } from '../../schemas';

/** A rule. */
export interface IRule {
  readonly name: string;
  readonly channels: readonly string[];
  readonly occasion: string;
  readonly states: readonly string[];
  readonly lateSeconds: number | null;
  readonly flows: readonly string[];
  readonly deployments: readonly string[];
  readonly kinds: readonly string[];
  /** Tag to value; null for any. */
  readonly tags: Readonly<Record<string, string | null>>;
  readonly hasChildRuns: boolean;
  readonly title: string;
  readonly body: string;
  readonly isPaused: boolean;
}

/** Read a rule; null when it is none. What goes without saying is left out by the server. */
export function readRule(data: unknown): IRule | null {
  const fields = readFields(data);
  const name = readTextOrNull(fields?.name);
  if (fields === null || name === null) {
    return null;
  }
  const names = (field: unknown): readonly string[] => readList(field, readTextOrNull);
  const tags = Object.entries(readFields(fields.tags) ?? {});
  return {
    name,
    channels: names(fields.channels),
    occasion: readTextOrNull(fields.occasion) ?? 'change',
    states: names(fields.states),
    lateSeconds: readNumber(fields.late_seconds),
    flows: names(fields.flow_names),
    deployments: names(fields.deployments),
    kinds: names(fields.kinds),
    tags: Object.fromEntries(tags.map(([tag, value]) => [tag, readTextOrNull(value)])),
    hasChildRuns: fields.has_child_runs === true,
    title: readTextOrNull(fields.title) ?? '',
    body: readTextOrNull(fields.body) ?? '',
    isPaused: fields.is_paused === true
  };
}

/** Value of an occasion to its words. */
export function occasionWords(texts: ITexts): readonly (readonly [string, string])[] {
  return [
    ['change', texts.__('Changes: the first failure, and the first success after it')],
    ['failure', texts.__('Each failure')],
    ['end', texts.__('Each end')],
    ['none', texts.__('Nothing but what is chosen below')]
  ];
}

/** Value of a kind of runs to its word. */
export function kindWords(texts: ITexts): readonly (readonly [string, string])[] {
  return [
    ['notebook', texts.__('Notebooks')],
    ['sweep', texts.__('Sweeps')],
    ['interactive', texts.__('Cells in an open notebook')],
    ['flow', texts.__('Flows in Python')],
    ['task', texts.__('Tasks outside of a flow')]
  ];
}

/** Say what a rule tells of. */
export function toldWords(rule: IRule, texts: ITexts): string {
  const occasions: Readonly<Record<string, string>> = {
    change: texts.__('changes of health'),
    failure: texts.__('each failure'),
    end: texts.__('each end'),
    none: ''
  };
  const late =
    rule.lateSeconds === null ? '' : texts.__('late by %1', formatElapsed(rule.lateSeconds));
  const words = [
    occasions[rule.occasion] ?? rule.occasion,
    ...rule.states.map(state => stateLook(state).word(texts)),
    late
  ];
  return words.filter(word => word !== '').join(', ');
}

/** Say which runs a rule is about. */
export function aboutWords(rule: IRule, texts: ITexts): string {
  const kinds = new Map(kindWords(texts));
  const words = [
    ...rule.flows.map(name => texts.__('flow %1', name)),
    ...rule.deployments.map(name => texts.__('deployment %1', name)),
    ...rule.kinds.map(kind => kinds.get(kind) ?? kind),
    ...tagLines(rule.tags).map(tag => texts.__('tag %1', tag))
  ];
  const all = words.length === 0 ? texts.__('all') : words.join(', ');
  return rule.hasChildRuns ? texts.__('%1, with child runs', all) : all;
}

/** Write tags one in a line, as `TAG` or `TAG=VALUE`. */
export function tagLines(tags: IRule['tags']): readonly string[] {
  return Object.entries(tags).map(([tag, value]) => (value === null ? tag : `${tag}=${value}`));
}

/** Read what {@link tagLines} writes. */
export function readTags(lines: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(
    lines.map(line => {
      const at = line.indexOf('=');
      return at < 0 ? [line, null] : [line.slice(0, at), line.slice(at + 1)];
    })
  );
}

/** Two runs side by side: what they were given and gave back, how long they and their tasks took, and what differs. */

import { formatDuration, formatMoment, secondsRun } from '../../drawing/durations';
import { isLive, stateLook } from '../../drawing/states';
import type { ITexts } from '../../drawing/translation';
import type { ICell, IRun, ITaskView } from '../../schemas';
import type { IRunValue } from '../pagesApi';
import { valueText } from '../run/valueText';

/** What tells runs of one task apart: "fit-17". */
const NUMBER = /(?<=.)-\d+$/;

/** All that is known of one of the two. */
export interface IComparedRun {
  readonly run: IRun;
  readonly tasks: readonly ITaskView[];
  readonly cells: readonly ICell[];
  readonly values: readonly IRunValue[];
}

/** One line of the comparison; a side is null where the run has nothing of this name. */
export interface IComparedFact {
  readonly name: string;
  readonly sides: readonly [string | null, string | null];
  readonly isSame: boolean;
}

/** A task in both runs. */
export interface IComparedTask extends IComparedFact {
  /** Seconds of each side; null where it did not end, or is not there. */
  readonly seconds: readonly [number | null, number | null];
}

/** What the comparison shows. */
export interface IComparison {
  readonly facts: readonly IComparedFact[];
  readonly parameters: readonly IComparedFact[];
  readonly values: readonly IComparedFact[];
  readonly tasks: readonly IComparedTask[];
}

/** What became of the runs of one task. */
interface ITaskSum {
  readonly state: string;
  readonly count: number;
  readonly seconds: number | null;
}

/** Compare two runs. */
export function compareRuns(
  first: IComparedRun,
  second: IComparedRun,
  texts: ITexts,
  locale?: string
): IComparison {
  const of = (get: (side: IComparedRun) => ReadonlyMap<string, string>): IComparedFact[] =>
    pairUp(get(first), get(second)).map(([name, ...sides]) => fact(name, sides));
  return {
    facts: of(side => runFacts(side.run, texts, locale)).map(
      one => (one.name === texts.__('Started') ? { ...one, isSame: true } : one) // no two start at once
    ),
    parameters: of(
      ({ run }) =>
        new Map(Object.entries(run.parameters).map(([name, value]) => [name, valueText(value)]))
    ),
    values: of(({ values }) => new Map(values.map(value => [value.name, wordsOf(value)]))),
    tasks: pairUp(taskSums(first, texts), taskSums(second, texts)).map(([name, ...sums]) => {
      const words = sums.map(sum => sum && sumWords(sum, texts));
      const isSame = sums[0]?.state === sums[1]?.state && sums[0]?.count === sums[1]?.count;
      const seconds = sums.map(sum => sum?.seconds ?? null);
      return {
        ...fact(name, [words[0], words[1]]),
        isSame,
        seconds: [seconds[0], seconds[1]] as const
      };
    })
  };
}

/** Say how much longer the second took: "+1.2 s", "−0.4 s"; empty where that is not known. */
export function differenceWords(seconds: readonly [number | null, number | null]): string {
  const [first, second] = seconds;
  if (first === null || second === null) {
    return '';
  }
  const difference = second - first;
  const words = formatDuration(Math.abs(difference));
  return words === formatDuration(0) ? '±0' : `${difference < 0 ? '−' : '+'}${words}`;
}

/** Pair the values of two mappings by name, in the order of the first, then of the second. */
function pairUp<T>(
  first: ReadonlyMap<string, T>,
  second: ReadonlyMap<string, T>
): [string, T | null, T | null][] {
  const names = new Set([...first.keys(), ...second.keys()]);
  return [...names].map(name => [name, first.get(name) ?? null, second.get(name) ?? null]);
}

function fact(name: string, [first, second]: readonly (string | null)[]): IComparedFact {
  return { name, sides: [first, second], isSame: first === second };
}

function runFacts(run: IRun, texts: ITexts, locale?: string): ReadonlyMap<string, string> {
  const seconds = run.ended_at === null ? null : secondsRun(run, 0);
  const facts: [string, string | null][] = [
    [texts.__('State'), stateLook(run.state).word(texts)],
    [texts.__('Duration'), seconds === null ? null : formatDuration(seconds)],
    [texts.__('Started'), run.started_at && formatMoment(run.started_at, locale)],
    [texts.__('Message'), run.message.trim().split('\n', 1)[0] || null],
    [texts.__('Deployment'), run.deployment],
    [texts.__('Cluster'), run.cluster]
  ];
  return new Map(facts.filter((one): one is [string, string] => one[1] !== null));
}

function wordsOf({ value, summary }: IRunValue): string {
  return value === null && summary !== '' ? summary : valueText(value);
}

/** Give task to what became of its task runs, whatever their numbers; cells stand for tasks where a run has none. */
function taskSums({ run, tasks, cells }: IComparedRun, texts: ITexts): Map<string, ITaskSum> {
  const records: [string, ITaskView | ICell][] =
    tasks.length > 0
      ? tasks
          .filter(task => task.epoch === run.epoch)
          .map(task => [task.name.replace(NUMBER, ''), task])
      : cells
          .filter(cell => cell.number > 0)
          .map(cell => [cellName(cell.title, cell.number, texts), cell]);
  const ofName = new Map<string, (ITaskView | ICell)[]>();
  for (const [name, record] of records) {
    const known = ofName.get(name) ?? [];
    known.push(record);
    ofName.set(name, known);
  }
  return new Map([...ofName].map(([name, all]) => [name, sumOf(all)]));
}

/** Name a cell: by its place in the notebook, and its title where it has one. */
export function cellName(title: string, number: number, texts: ITexts): string {
  const name = texts.__('cell %1', number);
  return title === '' ? name : `${name} · ${title}`;
}

function sumOf(records: readonly (ITaskView | ICell)[]): ITaskSum {
  const states = new Set(records.map(record => record.state));
  const failed = [...states].find(state => stateLook(state).tone === 'failed');
  const live = [...states].find(isLive);
  const starts = records.flatMap(record => record.started_at ?? []).map(at => Date.parse(at));
  const ends = records.flatMap(record => record.ended_at ?? []).map(at => Date.parse(at));
  const hasTimes = starts.length > 0 && ends.length > 0 && live === undefined;
  const first = starts.reduce((a, b) => Math.min(a, b), Infinity);
  const last = ends.reduce((a, b) => Math.max(a, b), -Infinity);
  return {
    state: failed ?? live ?? records[0].state,
    count: records.length,
    seconds: hasTimes ? Math.max(0, (last - first) / 1000) : null
  };
}

function sumWords({ state, count, seconds }: ITaskSum, texts: ITexts): string {
  const parts = [
    stateLook(state).word(texts),
    count > 1 ? texts.__('%1 runs', count) : '',
    seconds === null ? '' : formatDuration(seconds)
  ];
  return parts.filter(Boolean).join(', ');
}

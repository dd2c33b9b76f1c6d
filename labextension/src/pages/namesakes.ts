/** Tells apart what has one name: notebooks in different folders. */

import type { IRun } from '../schemas';

/**
 * Give of each path as much of its end as tells it from the others: `south/report.ipynb`.
 *
 * @param paths - absolute, with either kind of slash
 */
export function shortPaths(paths: readonly string[]): ReadonlyMap<string, string> {
  const all = [...new Set(paths)];
  const ends = (path: string, count: number): string => parts(path).slice(-count).join('/');
  return new Map(
    all.map(path => {
      const others = all.filter(other => other !== path);
      const most = parts(path).length;
      let count = 1;
      while (count < most && others.some(other => ends(other, count) === ends(path, count))) {
        count += 1;
      }
      return [path, ends(path, count)];
    })
  );
}

/** Give of runs of flows whose name several notebooks have the id to a short path of the notebook. */
export function namesakes(
  runs: Iterable<Pick<IRun, 'run_id' | 'flow_name' | 'notebook_path'>>
): ReadonlyMap<string, string> {
  const byFlow = new Map<string, Pick<IRun, 'run_id' | 'notebook_path'>[]>();
  for (const run of runs) {
    byFlow.set(run.flow_name, [...(byFlow.get(run.flow_name) ?? []), run]);
  }
  const found = new Map<string, string>();
  for (const ofFlow of byFlow.values()) {
    const short = shortPaths(ofFlow.flatMap(({ notebook_path: path }) => path ?? []));
    const isOne = new Set(ofFlow.map(({ notebook_path: path }) => path)).size < 2;
    for (const { run_id: id, notebook_path: path } of isOne ? [] : ofFlow) {
      if (path !== null) {
        found.set(id, short.get(path) ?? path);
      }
    }
  }
  return found;
}

function parts(path: string): string[] {
  return path.split(/[\\/]/).filter(part => part !== '');
}

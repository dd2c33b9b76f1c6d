/** Tells apart what has one name: notebooks in different folders. */

import type { IRun } from '../schemas';

/**
 * Give of each path as much of its end as tells it from the others: `south/report.ipynb`. O(folders of all).
 *
 * @param paths - absolute, with either kind of slash
 */
export function shortPaths(paths: readonly string[]): ReadonlyMap<string, string> {
  const all = [...new Set(paths)].map(path => [path, endsOf(path)] as const);
  const counts = new Map<string, number>();
  for (const end of all.flatMap(([, ends]) => ends)) {
    counts.set(end, (counts.get(end) ?? 0) + 1);
  }
  return new Map(
    all.map(([path, ends]) => [
      path,
      ends.find(end => counts.get(end) === 1) ?? ends.at(-1) ?? path
    ])
  );
}

/** Give of runs of flows whose name several notebooks have the id to a short path of the notebook. */
export function namesakes(
  runs: Iterable<Pick<IRun, 'run_id' | 'flow_name' | 'notebook_path'>>
): ReadonlyMap<string, string> {
  const byFlow = new Map<string, Pick<IRun, 'run_id' | 'notebook_path'>[]>();
  for (const run of runs) {
    const ofFlow = byFlow.get(run.flow_name);
    if (ofFlow === undefined) {
      byFlow.set(run.flow_name, [run]);
    } else {
      ofFlow.push(run);
    }
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

/** Give the ends of a path with slashes, the shortest first: `c`, `b/c`, `a/b/c`. */
function endsOf(path: string): readonly string[] {
  const parts = path.split(/[\\/]/).filter(part => part !== '');
  return parts.map((_, at) => parts.slice(parts.length - 1 - at).join('/'));
}

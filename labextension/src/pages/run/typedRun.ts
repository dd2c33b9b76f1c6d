/** How a run is named in a command that people copy into a shell; as `model/typed_runs.py` has it. */

import type { IRun } from '../../schemas';

/** What every shell takes as it stands, also as no option. */
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_.,:=@+-]*$/;

/** Give what to type for a run: its name, or its id where a shell would take the name for something else. */
export function typedRun(run: Pick<IRun, 'name' | 'run_id'>): string {
  return PLAIN.test(run.name) ? run.name : run.run_id;
}

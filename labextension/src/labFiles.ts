/** Files as JupyterLab's file browser has them. */

import type { Contents } from '@jupyterlab/services';

import { readFields } from './schemas';

const NOT_FOUND = 404;

/**
 * Give the first of some paths that is a file here; null where none is.
 *
 * @throws Error - whether one is there could not be told
 */
export async function firstFile(
  contents: Pick<Contents.IManager, 'get'>,
  paths: readonly string[]
): Promise<string | null> {
  for (const path of paths) {
    try {
      await contents.get(path, { content: false });
      return path;
    } catch (error) {
      if (readFields(readFields(error)?.response)?.status !== NOT_FOUND) {
        throw error;
      }
    }
  }
  return null;
}

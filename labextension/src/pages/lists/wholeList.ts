/** Reads all pages of a list by name, for choices that must not lack one. */

import { readFields, readList, readTextOrNull } from '../../schemas';
import type { PagesApi } from '../pagesApi';

/** Read them; `field` is where the entries stand in an answer. */
export async function readWholeList<T>(
  pagesApi: PagesApi,
  path: readonly string[],
  field: string,
  read: (data: unknown) => T | null
): Promise<readonly T[]> {
  const found: T[] = [];
  let after: string | null = null;
  do {
    const fields = readFields(await pagesApi.call('GET', path, { after }));
    found.push(...readList(fields?.[field], read));
    after = readTextOrNull(fields?.next);
  } while (after !== null);
  return found;
}

/** Changes of what may change meanwhile: they are made only where it is as whoever changes it has seen it. */

import { ApiError } from '../../apiError';
import type { Method, Query } from '../../request';
import type { PagesApi } from '../pagesApi';

/** So often a change is tried of what does something in the very moment. */
const TRIES = 5;

/** A change of something that was seen. */
export interface IKnownChange {
  readonly method: Method;
  readonly path: readonly string[];
  readonly query?: Query;
  /** JSON; null where nothing is sent. */
  readonly sent: string | null;
  /** What was seen of it, as `part` gives it. */
  readonly known: string;
  /** Give that part of it, as JSON, by which it is known: the rest may change by itself. */
  readonly part: (body: unknown) => string;
  /** What is said where somebody else has changed it. */
  readonly refusal: string;
}

/**
 * Make a change, if what is changed is as it was seen.
 *
 * Its ETag changes with all that goes on in it, too: then it is read again.
 *
 * @throws Error - with the refusal, where somebody else has changed it
 */
export async function changeKnown(pagesApi: PagesApi, change: IKnownChange): Promise<unknown> {
  const { method, path, query = {}, sent, known, part, refusal } = change;
  for (let tries = 1; ; tries++) {
    const { body, etag } = await pagesApi.readTagged(path);
    if (part(body) !== known) {
      throw new Error(refusal);
    }
    try {
      return await pagesApi.change(method, path, query, sent, etag);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 412) || tries === TRIES) {
        throw error;
      }
    }
  }
}

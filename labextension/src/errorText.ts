/** Says what went wrong. */

import type { ITexts } from './drawing/translation';

/** Say what went wrong; an answer that never came is said in our words. */
export function errorText(error: unknown, texts: ITexts): string {
  if (error instanceof TypeError) {
    return texts.__('The server did not answer. Is it still there?');
  }
  return error instanceof Error ? error.message : String(error);
}

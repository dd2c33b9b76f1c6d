/** Says what went wrong. */

import { NoAnswer } from './apiError';
import type { ITexts } from './drawing/translation';

/** Say what went wrong; an answer that never came is said in our words. */
export function errorText(error: unknown, texts: ITexts): string {
  if (error instanceof NoAnswer || isNetworkError(error)) {
    return texts.__('The server did not answer. Is it still there?');
  }
  return error instanceof Error ? error.message : String(error);
}

/** Tell whether it is JupyterLab's, of what its own parts ask; a plain TypeError is a mistake in a program. */
function isNetworkError(error: unknown): boolean {
  return error instanceof TypeError && Object.getPrototypeOf(error) !== TypeError.prototype;
}

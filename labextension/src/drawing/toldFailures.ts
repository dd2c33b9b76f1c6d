/**
 * Which failure a message is about: one that is told beside it is not told again.
 *
 * `orchestra_nb/model/told_failures.py` decides the same; both are tested against `tests/toldFailures.json`.
 */

import type { IErrorInfo } from '../schemas';

/** Whatever ends so goes on in the name of a type. */
const NAME_BEFORE = /[\p{L}\p{N}_]$/u;
/** What follows an error where a message quotes it: a place in the code, or nothing more of this line. */
const END_BEHIND = /^($|\n| \(|;)/;

/** Tell whether a message is about this error: quotes its type and all of its first line. */
export function isTold(
  message: string,
  error: Readonly<Pick<IErrorInfo, 'type' | 'message'>>
): boolean {
  const firstLine = error.message.trim().split('\n', 1)[0];
  const quoted = firstLine === '' ? error.type : `${error.type}: ${firstLine}`;
  for (let at = message.indexOf(quoted); at >= 0; at = message.indexOf(quoted, at + 1)) {
    const isWhole = !NAME_BEFORE.test(message.slice(0, at));
    if (isWhole && END_BEHIND.test(message.slice(at + quoted.length))) {
      return true;
    }
  }
  return false;
}

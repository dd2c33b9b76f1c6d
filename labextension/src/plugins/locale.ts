/** The language of times. */

import type { ITranslator } from '@jupyterlab/translation';

/** Give the application's language as a BCP 47 tag; undefined for the browser's. */
export function localeOf(translator: ITranslator | null): string | undefined {
  const code = translator?.languageCode ?? '';
  return code === '' || code === 'default' ? undefined : code.replace('_', '-');
}

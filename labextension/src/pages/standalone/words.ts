/** The words of the pages in the reader's language, from the catalogue that the server offers. */

import { fill } from '../../drawing/translation';
import type { ITexts } from '../../drawing/translation';
import { readFields } from '../../schemas';
import { cookie } from './pageSettings';

/** Fetch a catalogue; the address has its digest, so the browser may keep it. */
export async function fetchTexts(url: string): Promise<ITexts> {
  // with the token against forgery, which a JupyterHub wants of all that scripts fetch
  const headers = { 'X-XSRFToken': cookie('_xsrf') };
  const answer = await fetch(url, { credentials: 'same-origin', headers });
  if (!answer.ok) {
    throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  }
  return catalogueTexts(await answer.json());
}

/** Give the texts of a catalogue as `make catalogue` writes it; what is not in it stays English. */
export function catalogueTexts(data: unknown): ITexts {
  const words = readFields(data);
  const head = readFields(words?.['']);
  const categories = readFields(head?.plural_categories);
  if (words === null || typeof head?.language !== 'string' || categories === null) {
    throw new Error('This is no catalogue: it does not tell its language and plural forms.');
  }
  const rules = new Intl.PluralRules(head.language);
  const formsOf = (msgid: string): readonly unknown[] => {
    const forms = Object.hasOwn(words, msgid) ? words[msgid] : null;
    return msgid !== '' && Array.isArray(forms) ? forms : [];
  };
  const textOf = (form: unknown, english: string): string =>
    typeof form === 'string' ? form : english;
  return {
    __: (msgid, ...values) => fill(textOf(formsOf(msgid)[0], msgid), values),
    _n: (msgid, plural, n, ...values) => {
      const form = formsOf(msgid)[Number(categories[rules.select(n)])];
      return fill(textOf(form, n === 1 ? msgid : plural), [n, ...values]);
    }
  };
}

/** Give the locale of times and numbers: the reader's own variant of the page's language, where the browser tells one. */
export function localeFor(language: string, wanted: readonly string[]): string {
  const main = (tag: string): string => tag.split('-')[0].toLowerCase();
  return wanted.find(tag => main(tag) === main(language)) ?? language;
}

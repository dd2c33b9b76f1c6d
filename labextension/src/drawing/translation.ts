/**
 * What the drawing code needs of a translator, so that it runs with JupyterLab's and without any.
 *
 * JupyterLab's `TranslationBundle` has this form; `%1`, `%2`… stand for the values.
 */

/** Gives texts in the reader's language. */
export interface ITexts {
  /** Translate a text. */
  __(msgid: string, ...values: (string | number)[]): string;
  /** Translate a text that depends on a number. */
  _n(msgid: string, plural: string, n: number, ...values: (string | number)[]): string;
}

/** The texts as they stand in the source. */
export const englishTexts: ITexts = {
  __: (msgid, ...values) => fill(msgid, values),
  _n: (msgid, plural, n, ...values) => fill(n === 1 ? msgid : plural, [n, ...values])
};

/** Translate a text that the server gives in English; the catalogue has it from there. */
export function serverText(texts: ITexts, text: string): string {
  const translate: (msgid: string) => string = texts.__.bind(texts);
  return text === '' ? '' : translate(text);
}

/** Put the values into a text. */
export function fill(text: string, values: readonly (string | number)[]): string {
  return text.replace(/%(\d+)/g, (_, place: string) => String(values[Number(place) - 1] ?? ''));
}

/** Where a name is cut that has no room: in its middle, for names differ at their ends, too. */

/** So many letters at the end are kept. */
const KEPT_END = 7;
/** A shorter name is cut at its end: too little would be left before the mark. */
const LEAST_LENGTH = 2 * KEPT_END;

/** Letters that are written from right to left, and the marks that have others written so. */
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\u200f\u202b\u202e\u2067\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** The two parts of a name; of one that is cut at its end the second is empty. */
export interface INameParts {
  readonly start: string;
  readonly end: string;
}

/**
 * Give the parts of a name, on one line.
 *
 * What is written from right to left is cut at its end: two parts side by side would stand in the wrong order, and
 * joined letters would be torn apart.
 */
export function nameParts(name: string): INameParts {
  const line = name.replace(/\s+/g, ' ').trim();
  const letters = RIGHT_TO_LEFT.test(line) ? [] : lettersOf(line);
  const end = letters.length < LEAST_LENGTH ? '' : letters.slice(-KEPT_END).join('');
  return { start: line.slice(0, line.length - end.length), end };
}

/** Give letters as readers count them: with their accents, and pictures of several signs as one. */
function lettersOf(text: string): string[] {
  return typeof Intl.Segmenter === 'undefined'
    ? [...text]
    : [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].map(
        ({ segment }) => segment
      );
}

/**
 * The text of a code cell as far as the toggle has to know it: whether the cell is a task, and where its `%%task` line
 * stands. All that the line says is read and written by the server.
 */

/** As in `orchestra_nb/notebooks/cell_options.py`: a test holds both to the same cells. */
const TASK_CELL = /^\s*%%task(?!\S)/;
/** What makes a cell a task. */
export const TASK_LINE = '%%task';
/** What makes that known. */
export const LOADING_LINE = '%load_ext orchestra_nb';
const LOADING = /^\s*%(?:re)?load_ext\s+orchestra_nb\b/m;

/** One change of a text: what stands from `start` to `end` is replaced. */
export interface ISourceEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What the toggle does with a cell. */
export interface IToggle {
  readonly edit: ISourceEdit;
  /** The line that is taken out; null where one is put in. */
  readonly removedLine: string | null;
}

/** Tell whether a cell is a task. */
export function isTaskSource(source: string): boolean {
  return TASK_CELL.test(source);
}

/** Tell whether a cell makes `%%task` known. */
export function loadsOrchestra(source: string): boolean {
  return LOADING.test(source);
}

/**
 * Make an ordinary cell of a task, and a task of any other.
 *
 * @param earlierLine - the line that this cell had; null for none
 */
export function toggleTask(source: string, earlierLine: string | null): IToggle {
  if (!isTaskSource(source)) {
    return { edit: { start: 0, end: 0, text: `${earlierLine ?? TASK_LINE}\n` }, removedLine: null };
  }
  const at = source.indexOf(TASK_LINE);
  const start = source.lastIndexOf('\n', at) + 1;
  const lineEnd = source.indexOf('\n', at);
  const end = lineEnd < 0 ? source.length : lineEnd + 1;
  const removedLine = source.slice(start, lineEnd < 0 ? end : lineEnd);
  return { edit: { start, end, text: '' }, removedLine };
}

/** Give the smallest change that makes one text of another: cursors and the marks of others stay where they are. */
export function editBetween(before: string, after: string): ISourceEdit {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) {
    start += 1;
  }
  let kept = 0;
  while (kept < shorter - start && before.at(-1 - kept) === after.at(-1 - kept)) {
    kept += 1;
  }
  // the two halves of a character beyond the basic plane are never parted
  if (isHighSurrogate(before, start - 1)) {
    start -= 1;
  }
  if (kept > 0 && isHighSurrogate(before, before.length - kept - 1)) {
    kept -= 1;
  }
  return { start, end: before.length - kept, text: after.slice(start, after.length - kept) };
}

function isHighSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code <= 0xdbff;
}

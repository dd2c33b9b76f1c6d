/**
 * The blocks of a Markdown text, as data: headings, paragraphs, lists, quotations, code and tables.
 *
 * What people write in notebooks, after CommonMark and GitHub's tables. HTML within is text as any other.
 */

import { SHOWN_COLUMNS, SHOWN_ROWS } from './shownTable';

/** A part of a text; `text` is Markdown within a line, or code as it stands. */
export type MarkdownBlock =
  | { readonly kind: 'heading'; readonly level: number; readonly text: string }
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'quote'; readonly blocks: readonly MarkdownBlock[] }
  | IMarkdownList
  | IMarkdownTable
  | { readonly kind: 'rule' };

/** A list; `start` is null for one that is not numbered. */
export interface IMarkdownList {
  readonly kind: 'list';
  readonly start: number | null;
  readonly items: readonly (readonly MarkdownBlock[])[];
}

/** The first rows and columns of a table; each row has as many cells as the head. */
export interface IMarkdownTable {
  readonly kind: 'table';
  /** How many there are, with those that are left out. */
  readonly size: { readonly rows: number; readonly columns: number };
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Lists and quotations within each other; what is deeper is a paragraph. */
const DEEPEST = 8;
// hostile texts are read, too: in each pattern there is one way only to match a stretch of blanks or signs
const HEADING = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])(?:([ \t]+)(.*)|[ \t]*)$/s;
const DIVIDER = /^:?-+:?$/;
const INDENTED = /^(?: {4}|\t)/;

/** Read the blocks of a text. */
export function markdownBlocks(text: string): readonly MarkdownBlock[] {
  return blocksOf(text.replace(/\r\n?/g, '\n').split('\n'), 0);
}

function blocksOf(lines: readonly string[], depth: number): readonly MarkdownBlock[] {
  const blocks: MarkdownBlock[] = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const [block, next] = blockAt(lines, at, depth);
    blocks.push(block);
    at = next;
  }
  return blocks;
}

/** Read the block that begins at a line; give it, and the line after it. */
function blockAt(lines: readonly string[], at: number, depth: number): [MarkdownBlock, number] {
  const line = lines[at];
  const heading = HEADING.exec(line);
  if (heading !== null) {
    return [
      {
        kind: 'heading',
        level: heading[1].length,
        text: headingText(line.slice(heading[0].length))
      },
      at + 1
    ];
  }
  if (RULE.test(line)) {
    return [{ kind: 'rule' }, at + 1];
  }
  const fence = FENCE.exec(line);
  if (fence !== null) {
    return fencedCode(lines, at, fence);
  }
  if (INDENTED.test(line)) {
    return indentedCode(lines, at);
  }
  if (depth < DEEPEST && QUOTE.test(line)) {
    return quotation(lines, at, depth);
  }
  if (depth < DEEPEST && ITEM.test(line)) {
    return list(lines, at, depth);
  }
  return table(lines, at) ?? paragraph(lines, at);
}

/** Give what a heading says, without the signs that may close it. */
function headingText(rest: string): string {
  const text = rest.trim();
  let end = text.length;
  while (text[end - 1] === '#') {
    end -= 1;
  }
  return end === 0 || /[ \t]/.test(text[end - 1]) ? text.slice(0, end).trimEnd() : text;
}

function fencedCode(
  lines: readonly string[],
  at: number,
  [, indent, marks]: RegExpExecArray
): [MarkdownBlock, number] {
  const end = indexFrom(lines, at + 1, line => isFenceEnd(line, marks));
  const code = lines.slice(at + 1, end < 0 ? undefined : end);
  const text = code.map(line => dedented(line, indent.length)).join('\n');
  return [{ kind: 'code', text }, end < 0 ? lines.length : end + 1];
}

function isFenceEnd(line: string, marks: string): boolean {
  const end = line.trim();
  return (
    end.length >= marks.length && /^ {0,3}\S/.test(line) && end === marks[0].repeat(end.length)
  );
}

function indentedCode(lines: readonly string[], at: number): [MarkdownBlock, number] {
  let end = at;
  while (end < lines.length && (INDENTED.test(lines[end]) || isBlank(lines[end]))) {
    end += 1;
  }
  const code = lines.slice(at, end).map(line => line.replace(INDENTED, ''));
  return [{ kind: 'code', text: code.join('\n').trimEnd() }, end];
}

function quotation(lines: readonly string[], at: number, depth: number): [MarkdownBlock, number] {
  let end = at;
  // a paragraph within goes on without the sign, too
  while (end < lines.length && (QUOTE.test(lines[end]) || continuesParagraph(lines, end))) {
    end += 1;
  }
  const inner = lines.slice(at, end).map(line => line.replace(QUOTE, ''));
  return [{ kind: 'quote', blocks: blocksOf(inner, depth + 1) }, end];
}

function list(lines: readonly string[], at: number, depth: number): [MarkdownBlock, number] {
  const sign = signOf(lines[at]);
  const start = ITEM.exec(lines[at])?.[3] ?? null;
  const items: (readonly MarkdownBlock[])[] = [];
  let next = at;
  while (next < lines.length && signOf(lines[next]) === sign && !RULE.test(lines[next])) {
    const [inner, end] = itemLines(lines, next);
    items.push(blocksOf(inner, depth + 1));
    next = end;
  }
  return [{ kind: 'list', start: start === null ? null : Number(start), items }, next];
}

/** What parts one list from the next: its sign, without the number. */
function signOf(line: string): string {
  return ITEM.exec(line)?.[2].replace(/\d+/, '') ?? '';
}

/** Give the lines of an item without their indent, and the line after it. */
function itemLines(lines: readonly string[], at: number): [string[], number] {
  const [, indent, sign, , space, text] = ITEM.exec(lines[at]) ?? ['', '', '', '', '', ''];
  const isCode = (space ?? '').length > 4;
  const width = indent.length + sign.length + (isCode || !space ? 1 : space.length);
  const inner = [isCode ? `${space.slice(1)}${text}` : (text ?? '')];
  let next = at + 1;
  while (next < lines.length) {
    const line = lines[next];
    if (isBlank(line)) {
      const after = indexFrom(lines, next + 1, one => !isBlank(one));
      if (after < 0 || indentOf(lines[after]) < width) {
        // a next item may stand behind a blank line, and is no part of this one
        next = after < 0 ? lines.length : after;
        break;
      }
      for (; next < after; next += 1) {
        inner.push(dedented(lines[next], width));
      }
    } else if (indentOf(line) < width && (ITEM.test(line) || !continuesParagraph(lines, next))) {
      break;
    }
    inner.push(dedented(lines[next], width));
    next += 1;
  }
  return [inner, next];
}

function table(lines: readonly string[], at: number): [MarkdownBlock, number] | null {
  const divider = cellsOf(lines[at + 1] ?? '');
  const head = cellsOf(lines[at]);
  const isTable = lines[at].includes('|') && divider.every(cell => DIVIDER.test(cell));
  if (!isTable || divider.length !== head.length) {
    return null;
  }
  let next = at + 2;
  while (next < lines.length && !isBlank(lines[next]) && lines[next].includes('|')) {
    next += 1;
  }
  // short rows are filled up, which in a wide table makes very many cells
  const shown = head.slice(0, SHOWN_COLUMNS);
  const rows = lines.slice(at + 2, Math.min(next, at + 2 + SHOWN_ROWS)).map(line => {
    const cells = cellsOf(line);
    return shown.map((_, column) => cells[column] ?? '');
  });
  const size = { rows: next - at - 2, columns: head.length };
  return [{ kind: 'table', size, head: shown, rows }, next];
}

/** Part a row at its strokes, but for those behind a backslash. */
function cellsOf(line: string): string[] {
  const bare = line.trim().replace(/^\|/, '');
  const cells = bare.split(/(?<!\\)\|/).map(cell => cell.trim().replace(/\\\|/g, '|'));
  return cells.length > 1 && cells[cells.length - 1] === '' ? cells.slice(0, -1) : cells;
}

function paragraph(lines: readonly string[], at: number): [MarkdownBlock, number] {
  let next = at + 1;
  while (next < lines.length && continuesParagraph(lines, next)) {
    next += 1;
  }
  const text = lines
    .slice(at, next)
    .map(line => line.trimStart())
    .join('\n')
    .trimEnd();
  const underline = UNDERLINE.exec(lines[next] ?? '');
  if (underline !== null) {
    return [{ kind: 'heading', level: underline[1].startsWith('=') ? 1 : 2, text }, next + 1];
  }
  return [{ kind: 'paragraph', text }, next];
}

/** Whether a line goes on with a paragraph before it, rather than to begin something of its own. */
function continuesParagraph(lines: readonly string[], at: number): boolean {
  const [before, line] = [lines[at - 1] ?? '', lines[at]];
  if (isBlank(line) || isBlank(before)) {
    return false;
  }
  const item = ITEM.exec(line);
  // only a list that begins with 1 does so within a paragraph: a number may begin a line of it
  const isList = item !== null && (item[5] ?? '') !== '' && (item[3] ?? '1') === '1';
  const isOther = [HEADING, RULE, FENCE, QUOTE, UNDERLINE].some(pattern => pattern.test(line));
  return !isList && !isOther;
}

/** Give the first line from there on of which something holds; -1 for none. */
function indexFrom(
  lines: readonly string[],
  from: number,
  holds: (line: string) => boolean
): number {
  for (let at = from; at < lines.length; at += 1) {
    if (holds(lines[at])) {
      return at;
    }
  }
  return -1;
}

function isBlank(line: string): boolean {
  return line.trim() === '';
}

function indentOf(line: string): number {
  return line.replace(/\t/g, '    ').search(/\S|$/);
}

/** Take so many blanks from the begin of a line, or as many as there are. */
function dedented(line: string, width: number): string {
  const spaced = line.replace(/^[ \t]+/, blanks => blanks.replace(/\t/g, '    '));
  return spaced.slice(Math.min(width, indentOf(spaced)));
}

/** Tables of foreign HTML, such as a DataFrame's, as our own elements: their cells' text, and nothing else of it. */

import { html } from './elements';
import { cutWords, SHOWN_COLUMNS, SHOWN_ROWS } from './shownTable';
import type { ITexts } from './translation';

/** Characters of a cell, and of what stands beside a table. */
const LONGEST_CELL = 1_000;
const LONGEST_NOTE = 200;
/** Tables that are drawn of one output: each is a stop on a keyboard's way through the page. */
const SHOWN_TABLES = 20;
/** Where the Content-Security-Policy of pages complains, although nothing of it is applied: styles and event handlers. */
const COMPLAINED_OF = /style|(?<![a-z])on(?=[a-z])/gi;
/** Put into these words while they are parsed. */
const GAP = '\ue000';
/** What is no text to its reader. */
const UNREAD = new Set(['script', `s${GAP}tyle`, 'template', 'noscript', 'svg', 'math', 'title']);
const NUMBER = /^([-+−]?(\d[\d.,]*|\.\d+)(e[-+]?\d+)?\s?%?|[-+]?inf|nan|<na>)$/i;

interface ICell {
  readonly text: string;
  readonly isHead: boolean;
  readonly columns: number;
  readonly rows: number;
}

/**
 * Draw the first tables of some HTML that have cells, and say so where there are more; nothing where it has none.
 *
 * It is parsed in a document of its own, in which nothing is loaded and nothing runs, and only text is taken from there.
 */
export function foreignTables(source: string, texts: ITexts): readonly HTMLElement[] {
  const bare = source
    .replaceAll(GAP, '')
    .replace(COMPLAINED_OF, word => word[0] + GAP + word.slice(1));
  const parsed = new DOMParser().parseFromString(bare, 'text/html');
  // one around others lays them out
  const tables = [...parsed.querySelectorAll('table')].filter(
    table => table.querySelector('table') === null && table.querySelector('td, th') !== null
  );
  const drawn = tables.slice(0, SHOWN_TABLES).map(table => draw(table, texts));
  if (tables.length > SHOWN_TABLES) {
    const words = texts.__('The first %1 of %2 tables.', SHOWN_TABLES, tables.length);
    drawn.push(html('p', { class: 'orc-detail' }, words));
  }
  return drawn;
}

function draw(table: HTMLTableElement, texts: ITexts): HTMLElement {
  const all = [...table.rows];
  const heads = all.filter(row => row.parentElement?.localName === 'thead').slice(0, SHOWN_ROWS);
  const bodies = all.filter(row => row.parentElement?.localName !== 'thead');
  const shown = bodies.slice(0, SHOWN_ROWS);
  const columns = Math.max(0, ...[...heads, ...shown].map(widthOf));
  const [head, body] = [cellsOf(heads), cellsOf(shown)];
  const drawn = html('table', {});
  const caption = textOf(table.caption, LONGEST_NOTE);
  if (caption !== '') {
    drawn.append(html('caption', {}, caption));
  }
  if (head.length > 0) {
    drawn.append(html('thead', {}, ...head.map(row => drawRow(row, true))));
  }
  drawn.append(html('tbody', {}, ...body.map(row => drawRow(row, false))));
  const box = { class: 'orc-table', tabindex: 0, role: 'group', 'aria-label': texts.__('Table') };
  const words = [...notesOf(table), ...cutWords(bodies.length, columns, texts)];
  const notes = words.map(text => html('p', { class: 'orc-detail' }, text));
  return html('div', { class: 'orc-foreign-table' }, html('div', box, drawn), ...notes);
}

/** Give the cells of these rows that are shown; what reaches into the next rows is counted there. */
function cellsOf(rows: readonly HTMLTableRowElement[]): readonly (readonly ICell[])[] {
  /** Column to how many more rows a cell above reaches into. */
  const reaching = new Array<number>(SHOWN_COLUMNS).fill(0);
  return rows.map((row, at) => {
    const taken = reaching.map(left => left > 0);
    reaching.forEach((left, column) => (reaching[column] = Math.max(0, left - 1)));
    const cells: ICell[] = [];
    let column = 0;
    for (const cell of row.cells) {
      while (column < SHOWN_COLUMNS && taken[column]) {
        column += 1;
      }
      if (column >= SHOWN_COLUMNS) {
        break;
      }
      const columns = Math.min(Math.max(1, cell.colSpan), SHOWN_COLUMNS - column);
      const reach = Math.min(Math.max(1, cell.rowSpan), rows.length - at);
      reaching.fill(reach - 1, column, column + columns);
      const isHead = cell.localName === 'th';
      cells.push({ text: textOf(cell, LONGEST_CELL), isHead, columns, rows: reach });
      column += columns;
    }
    return cells;
  });
}

function drawRow(cells: readonly ICell[], isHead: boolean): HTMLElement {
  return html(
    'tr',
    {},
    ...cells.map(cell => {
      const span = {
        colspan: cell.columns > 1 ? cell.columns : null,
        rowspan: cell.rows > 1 ? cell.rows : null,
        'data-number': NUMBER.test(cell.text)
      };
      if (!cell.isHead || cell.text === '') {
        return html('td', span, cell.text);
      }
      const group = isHead ? cell.columns > 1 : cell.rows > 1;
      return html(
        'th',
        { ...span, scope: `${isHead ? 'col' : 'row'}${group ? 'group' : ''}` },
        cell.text
      );
    })
  );
}

function widthOf(row: HTMLTableRowElement): number {
  return [...row.cells].reduce((sum, cell) => sum + Math.max(1, cell.colSpan), 0);
}

/** What libraries write beside a table: its shape. */
function notesOf(table: HTMLTableElement): string[] {
  return [table.previousElementSibling, table.nextElementSibling]
    .filter(node => node !== null && ['p', 'small'].includes(node.localName))
    .map(node => textOf(node, LONGEST_NOTE))
    .filter(text => text !== '');
}

/** Give what a reader sees of an element, in one or more lines. */
function textOf(node: Element | null, longest: number): string {
  const parts: string[] = [];
  let size = 0;
  const read = (one: Node): void => {
    if (size > longest) {
      return;
    }
    if (one.nodeType === Node.TEXT_NODE) {
      const text = (one.nodeValue ?? '').replace(/\s+/g, ' ');
      parts.push(text);
      size += text.length;
    } else if (one instanceof Element || one.nodeType === Node.ELEMENT_NODE) {
      const name = (one as Element).localName;
      if (name === 'br') {
        parts.push('\n');
      } else if (!UNREAD.has(name)) {
        one.childNodes.forEach(read);
      }
    }
  };
  node?.childNodes.forEach(read);
  const text = parts
    .join('')
    .replaceAll(GAP, '')
    .replace(/ *\n */g, '\n')
    .trim();
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

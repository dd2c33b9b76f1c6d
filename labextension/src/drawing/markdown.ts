/** Markdown as our own elements: what a text says becomes structure, and nothing in it becomes HTML. */

import { html } from './elements';
import { markdownBlocks } from './markdownBlocks';
import type { IMarkdownList, IMarkdownTable, MarkdownBlock } from './markdownBlocks';
import { markdownText } from './markdownText';
import { cutWords } from './shownTable';
import type { ITexts } from './translation';

const HEADINGS = ['h2', 'h3', 'h4', 'h5', 'h6'] as const;

/** How a text is drawn. */
export interface IMarkdownOptions {
  readonly texts: ITexts;
  /** The level of its first heading: those of the page are above it. */
  readonly top: 2 | 3;
  /** Whether the end of a line is one, as in messages; in notebooks it is a blank. */
  readonly keepsLines: boolean;
}

/** Draw a text. */
export function markdown(text: string, options: IMarkdownOptions): HTMLElement {
  return markdownOf(markdownBlocks(text), options);
}

/** Draw blocks that were read before. */
export function markdownOf(
  blocks: readonly MarkdownBlock[],
  options: IMarkdownOptions
): HTMLElement {
  return html('div', { class: 'orc-markdown' }, new Drawing(options).blocks(blocks));
}

class Drawing {
  constructor(private readonly _options: IMarkdownOptions) {}

  blocks(blocks: readonly MarkdownBlock[]): readonly HTMLElement[] {
    return blocks.map(block => this._block(block));
  }

  private _block(block: MarkdownBlock): HTMLElement {
    switch (block.kind) {
      case 'heading': {
        const at = block.level - 1 + this._options.top - 2;
        const tag = HEADINGS[Math.min(at, HEADINGS.length - 1)];
        return html(tag, { 'data-level': block.level }, this._text(block.text));
      }
      case 'paragraph':
        return html('p', {}, this._text(block.text));
      case 'code':
        return html('pre', { tabindex: 0 }, html('code', {}, block.text));
      case 'quote':
        return html('blockquote', {}, this.blocks(block.blocks));
      case 'list':
        return this._list(block);
      case 'table':
        return this._table(block);
      default:
        return html('hr');
    }
  }

  private _text(text: string): readonly Node[] {
    return markdownText(text, this._options.keepsLines);
  }

  private _list({ start, items }: IMarkdownList): HTMLElement {
    const drawn = items.map(blocks => {
      const [first, ...others] = blocks;
      // an item of one paragraph is as tight as its list
      const head =
        first?.kind === 'paragraph' ? this._text(first.text) : this.blocks(blocks.slice(0, 1));
      return html('li', {}, head, this.blocks(others));
    });
    return start === null
      ? html('ul', {}, drawn)
      : html('ol', { start: start === 1 ? null : start }, drawn);
  }

  private _table({ head, rows, size }: IMarkdownTable): HTMLElement {
    const { texts } = this._options;
    const heads = head.map(text => html('th', { scope: 'col' }, this._text(text)));
    const drawn = rows.map(row =>
      html(
        'tr',
        {},
        row.map(text => html('td', {}, this._text(text)))
      )
    );
    const table = html(
      'div',
      { class: 'orc-table', tabindex: 0, role: 'group', 'aria-label': texts.__('Table') },
      html('table', {}, html('thead', {}, html('tr', {}, heads)), html('tbody', {}, drawn))
    );
    const words = cutWords(size.rows, size.columns, texts);
    const notes = words.map(text => html('p', { class: 'orc-detail' }, text));
    return notes.length === 0 ? table : html('div', {}, table, notes);
  }
}

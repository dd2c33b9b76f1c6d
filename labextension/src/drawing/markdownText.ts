/** Markdown within a line as elements: emphasis, code and links. Whatever else stands there is text, HTML too. */

import { html } from './elements';

/** In a longer text of stars and underscores they stay what they are. */
const MOST_MARKS = 1_000;
/** Emphasis within emphasis; marks around it stay what they are. */
const DEEPEST = 50;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const ADDRESS = /^https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]}*_~]/;
/** The same within a bracket, which ends it. */
const ADDRESS_WITHIN = /^https?:\/\/[^\s<>"'`\]]*[^\s<>"'`.,;:!?)\]}*_~]/;
/** Where a link leads; blanks are not given back, or some texts would take for ever. */
const TARGET =
  /^\]\(\s*(?!\s)(?:<([^<>\n]*)>|([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*))(?:\s+(?!\s)(?:"[^"]*"|'[^']*'))?\s*\)/;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  nbsp: '\u00a0'
};
const ENTITY = /^&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]+));/i;
/** What ends a stretch of plain text. */
const SPECIAL = /[\\`*_~[\]!<&$\n]|https?:\/\//g;

/** A piece of the line: an element or text, or marks of which it is not known yet what they do. */
interface IPiece {
  readonly node: Node;
  /** "*", "_" or "~"; empty for others. */
  readonly mark: string;
  count: number;
  readonly opens: boolean;
  readonly closes: boolean;
  /** Levels of emphasis in the node. */
  readonly depth: number;
}

interface IBracket {
  /** Where in the pieces it stands. */
  readonly at: number;
  readonly isImage: boolean;
}

/**
 * Draw a text.
 *
 * @param keepsLines - whether the end of a line is one, as in messages; in notebooks it is a blank
 */
export function markdownText(text: string, keepsLines = false): readonly Node[] {
  return new Line(text, keepsLines).draw();
}

class Line {
  constructor(
    private readonly _text: string,
    private readonly _keepsLines: boolean
  ) {}

  draw(): readonly Node[] {
    while (this._at < this._text.length) {
      this._step();
    }
    return emphasized(this._pieces);
  }

  private _step(): void {
    const char = this._text[this._at];
    switch (char) {
      case '\\':
        return this._escape();
      case '`':
        return this._code();
      case '$':
        return this._formula();
      case '*':
      case '_':
      case '~':
        return this._marks(char);
      case '!':
        return this._text[this._at + 1] === '[' ? this._bracket(true) : this._plain(1);
      case '[':
        return this._bracket(false);
      case ']':
        return this._link();
      case '<':
        return this._address();
      case '&':
        return this._entity();
      case '\n':
        return this._lineEnd();
      default:
        return this._plainOrAddress();
    }
  }

  private _plain(length: number, text?: string): void {
    this._add(document.createTextNode(text ?? this._text.slice(this._at, this._at + length)));
    this._at += length;
  }

  private _add(node: Node): void {
    this._pieces.push({ node, mark: '', count: 0, opens: false, closes: false, depth: 0 });
  }

  private _plainOrAddress(): void {
    const pattern = this._brackets.length > 0 ? ADDRESS_WITHIN : ADDRESS;
    const address = this._text[this._at] === 'h' ? pattern.exec(this._text.slice(this._at)) : null;
    if (address !== null) {
      this._add(link(address[0], [document.createTextNode(address[0])]));
      this._at += address[0].length;
      return;
    }
    SPECIAL.lastIndex = this._at + 1;
    const end = SPECIAL.exec(this._text)?.index ?? this._text.length;
    this._plain(end - this._at);
  }

  private _escape(): void {
    const next = this._text[this._at + 1] ?? '';
    if (next === '\n') {
      this._add(html('br'));
      this._at += 2;
    } else if (ESCAPABLE.test(next)) {
      this._plain(2, next);
    } else {
      this._plain(1);
    }
  }

  private _code(): void {
    const marks = /^`+/.exec(this._text.slice(this._at))?.[0] ?? '`';
    const from = this._at + marks.length;
    const end = this._endOfCode(marks, from);
    if (end < 0) {
      this._plain(marks.length);
      return;
    }
    const code = this._text.slice(from, end).replace(/\n/g, ' ');
    const isPadded = code.startsWith(' ') && code.endsWith(' ') && /[^ ]/.test(code);
    this._add(html('code', {}, isPadded ? code.slice(1, -1) : code));
    this._at = end + marks.length;
  }

  /** Find as many marks as it began with, which is looked for once in a line for each number. */
  private _endOfCode(marks: string, from: number): number {
    if (this._noCode.has(marks.length)) {
      return -1;
    }
    for (let at = this._text.indexOf(marks, from); at >= 0;) {
      let end = at;
      while (this._text[end] === '`') {
        end += 1;
      }
      if (end - at === marks.length) {
        return at;
      }
      at = this._text.indexOf(marks, end);
    }
    this._noCode.add(marks.length);
    return -1;
  }

  /** A formula stays as it is written: its stars and underscores mean something else. */
  private _formula(): void {
    const marks = this._text.startsWith('$$', this._at) ? '$$' : '$';
    const from = this._at + marks.length;
    const end = this._noFormula.has(marks) ? -1 : this._text.indexOf(marks, from);
    if (end < 0) {
      this._noFormula.add(marks);
    }
    const inner = end < 0 ? '' : this._text.slice(from, end);
    const isOne = inner.trim() !== '' && (marks === '$$' || inner === inner.trim());
    this._plain(isOne ? end + marks.length - this._at : marks.length);
  }

  private _marks(mark: string): void {
    let end = this._at;
    while (this._text[end] === mark) {
      end += 1;
    }
    const [before, after] = [this._text[this._at - 1] ?? ' ', this._text[end] ?? ' '];
    const [isSpaceBefore, isSpaceAfter] = [/\s/.test(before), /\s/.test(after)];
    const [isSignBefore, isSignAfter] = [before, after].map(char => /[\p{P}\p{S}]/u.test(char));
    const left = !isSpaceAfter && (!isSignAfter || isSpaceBefore || isSignBefore);
    const right = !isSpaceBefore && (!isSignBefore || isSpaceAfter || isSignAfter);
    const isWithinWords = mark === '_';
    const count = end - this._at;
    this._pieces.push({
      node: document.createTextNode(this._text.slice(this._at, end)),
      mark: mark === '~' && count !== 2 ? '' : mark,
      count,
      opens: left && (!isWithinWords || !right || isSignBefore),
      closes: right && (!isWithinWords || !left || isSignAfter),
      depth: 0
    });
    this._at = end;
  }

  private _bracket(isImage: boolean): void {
    this._brackets.push({ at: this._pieces.length, isImage });
    this._plain(isImage ? 2 : 1);
  }

  private _link(): void {
    const bracket = this._brackets.pop();
    const target =
      bracket === undefined ? null : TARGET.exec(this._text.slice(this._at, this._at + 4_000));
    if (bracket === undefined || target === null) {
      this._plain(1);
      return;
    }
    const inner = withoutLinks(emphasized(this._pieces.splice(bracket.at).slice(1)));
    // pictures are not asked of anybody: what they are said to show stands for them
    this._add(bracket.isImage ? span(inner) : link(target[1] ?? target[2] ?? '', inner));
    if (!bracket.isImage) {
      this._brackets.length = 0; // no link has another one in it
    }
    this._at += target[0].length;
  }

  private _address(): void {
    const found = /^<((?:https?:\/\/|mailto:)[^\s<>]*)>/i.exec(
      this._text.slice(this._at, this._at + 2_000)
    );
    if (found === null) {
      this._plain(1);
      return;
    }
    this._add(link(found[1], [document.createTextNode(found[1])]));
    this._at += found[0].length;
  }

  private _entity(): void {
    const found = ENTITY.exec(this._text.slice(this._at, this._at + 12));
    const code = found?.[1] ?? (found?.[2] ? String(parseInt(found[2], 16)) : '');
    const isChar = code !== '' && Number(code) > 31 && Number(code) <= 0x10ffff;
    const char = isChar ? String.fromCodePoint(Number(code)) : ENTITIES[found?.[3] ?? ''];
    if (found === null || char === undefined) {
      this._plain(1);
    } else {
      this._plain(found[0].length, char);
    }
  }

  private _lineEnd(): void {
    const isBreak = this._keepsLines || this._text.endsWith('  ', this._at);
    if (isBreak) {
      this._add(html('br'));
    }
    this._plain(1, isBreak ? '' : '\n');
  }

  private _at = 0;
  private readonly _pieces: IPiece[] = [];
  private readonly _brackets: IBracket[] = [];
  /** Numbers of marks in a row that nothing ends in the rest of the line. */
  private readonly _noCode = new Set<number>();
  /** Marks of formulas of which there is none in the rest of the line. */
  private readonly _noFormula = new Set<string>();
}

/** Put what stands between marks into elements; CommonMark's rule: a closing mark takes the nearest that opens. */
function emphasized(pieces: readonly IPiece[]): readonly Node[] {
  const open = [...pieces];
  if (pieces.filter(piece => piece.mark !== '').length <= MOST_MARKS) {
    for (let at = 0; at < open.length; at += 1) {
      const closer = open[at];
      while (closer.mark !== '' && closer.closes && closer.count > 0) {
        const from = openerOf(open, at);
        if (from < 0) {
          break;
        }
        const within = open.slice(from + 1, at);
        const depth = within.reduce((most, piece) => Math.max(most, piece.depth), 0) + 1;
        if (depth > DEEPEST) {
          break;
        }
        const opener = open[from];
        const width = closer.mark === '~' || (opener.count > 1 && closer.count > 1) ? 2 : 1;
        const tag = closer.mark === '~' ? 'del' : width === 2 ? 'strong' : 'em';
        opener.count -= width;
        closer.count -= width;
        const made = {
          node: html(tag, {}, within.map(nodeOf)),
          mark: '',
          count: 0,
          opens: false,
          closes: false,
          depth
        };
        open.splice(from + 1, at - from - 1, made);
        at = from + 2;
      }
    }
  }
  return open.map(nodeOf);
}

function openerOf(pieces: readonly IPiece[], at: number): number {
  const closer = pieces[at];
  for (let from = at - 1; from >= 0; from -= 1) {
    const piece = pieces[from];
    const isSame = piece.mark === closer.mark && piece.opens && piece.count > 0;
    // "**a*b**": marks that could do both do not halve each other
    const isOdd =
      (piece.closes || closer.opens) &&
      (piece.count + closer.count) % 3 === 0 &&
      (piece.count % 3 !== 0 || closer.count % 3 !== 0);
    if (isSame && !isOdd) {
      return from;
    }
  }
  return -1;
}

/** Give a piece as it stands; of marks those that did nothing. */
function nodeOf(piece: IPiece): Node {
  return piece.mark === '' ? piece.node : document.createTextNode(piece.mark.repeat(piece.count));
}

/** Give what stands in a link or for a picture: of links and pictures within the text alone. */
function withoutLinks(nodes: readonly Node[]): readonly Node[] {
  return nodes.map(node => {
    if (!(node instanceof Element)) {
      return node;
    }
    if (node.localName === 'a' || node.localName === 'span') {
      return document.createTextNode(node.textContent ?? '');
    }
    node.querySelectorAll('a, span').forEach(one => one.replaceWith(one.textContent ?? ''));
    return node;
  });
}

function span(inner: readonly Node[]): HTMLElement {
  return html('span', {}, inner);
}

/** Make a link, where its address is one that a reader may be led to; else its text alone. */
function link(address: string, inner: readonly Node[]): HTMLElement {
  if (!/^(https?:\/\/|mailto:)/i.test(address)) {
    return span(inner);
  }
  const rel = 'noreferrer noopener';
  return html('a', { href: address, title: address, rel, target: '_blank' }, inner);
}

/** Which rows of a long list are drawn: those in sight and a few around, so that ten thousand cost as much as forty. */

/** The first row that is drawn, and the one after the last. */
export interface IRowWindow {
  readonly first: number;
  readonly end: number;
}

/** Rows that are drawn beyond each edge, so that scrolling shows no gap. */
const OVERSCAN = 8;

/** Assumed where there is no layout: in tests, and before the list is in the page. */
const USUAL_HEIGHT = 600;

/** Give the rows to draw; sizes in pixels. */
export function rowWindow(
  scrollTop: number,
  height: number,
  rowHeight: number,
  count: number
): IRowWindow {
  const seen = Math.ceil((height || USUAL_HEIGHT) / rowHeight);
  const top = Math.max(0, Math.min(Math.floor(scrollTop / rowHeight), count - seen));
  return { first: Math.max(0, top - OVERSCAN), end: Math.min(count, top + seen + OVERSCAN) };
}

/** Keeps the drawn rows of a scrolled list as they should be. Rows are known by their keys, and stay while in sight. */
export class VirtualRows {
  /**
   * @param scroller - what is scrolled
   * @param list - what holds the rows, placed by their `top`; as high as all of them
   * @param draw - make a row, or bring it up to date where it is there already
   */
  constructor(
    private readonly _scroller: HTMLElement,
    private readonly _list: HTMLElement,
    private _rowHeight: number,
    private readonly _draw: (index: number, row: HTMLElement | null) => HTMLElement
  ) {
    _scroller.addEventListener('scroll', () => this._onScroll(), { passive: true });
    this._resized?.observe(_scroller);
  }

  /** Draw anew; `keys` are those of all rows, from top to bottom. */
  update(keys: readonly string[]): void {
    this._keys = keys;
    this._list.style.height = `${keys.length * this._rowHeight}px`;
    this._show(true);
  }

  /** Draw rows of another height, in pixels, from now on. */
  setRowHeight(height: number): void {
    if (height !== this._rowHeight) {
      const first = this._scroller.scrollTop / this._rowHeight;
      this._rowHeight = height;
      this.update(this._keys);
      // what is in sight stays there; only what is as high as its rows can be scrolled so far
      this._scroller.scrollTop = first * height;
      this._show(false);
    }
  }

  /** Bring a row into sight, and give it. */
  reveal(index: number): HTMLElement | null {
    const top = index * this._rowHeight;
    const { scrollTop, clientHeight } = this._scroller;
    const offset = this._list.offsetTop;
    if (top < scrollTop) {
      this._scroller.scrollTop = top;
    } else if (top + this._rowHeight + offset > scrollTop + clientHeight && clientHeight > 0) {
      this._scroller.scrollTop = top + this._rowHeight + offset - clientHeight;
    }
    this._show(false);
    return this._rows.get(this._keys[index]) ?? null;
  }

  dispose(): void {
    this._resized?.disconnect();
  }

  private _onScroll(): void {
    this._show(false);
  }

  private _show(isUpdate: boolean): void {
    const { scrollTop, clientHeight } = this._scroller;
    const { first, end } = rowWindow(scrollTop, clientHeight, this._rowHeight, this._keys.length);
    const seen = new Set(this._keys.slice(first, end));
    for (const [key, row] of this._rows) {
      // what has the focus stays: removing it would send the reader back to the top of the page
      if (!seen.has(key) && !(row.contains(document.activeElement) && this._keys.includes(key))) {
        row.remove();
        this._rows.delete(key);
      }
    }
    let before: HTMLElement | null = null;
    for (let index = first; index < end; index++) {
      const key = this._keys[index];
      const known = this._rows.get(key) ?? null;
      if (known === null || isUpdate) {
        const row = this._draw(index, known);
        row.style.top = `${index * this._rowHeight}px`;
        this._rows.set(key, row);
        this._place(row, before);
      }
      before = this._rows.get(key) ?? null;
    }
  }

  /** Rows stand in their order, which is that of the Tab key and of screen readers. */
  private _place(row: HTMLElement, before: HTMLElement | null): void {
    const isPlaced = row.parentElement === this._list;
    // moved, it would lose the focus: the others are moved around it
    const isFixed = isPlaced && row.contains(document.activeElement);
    if (isFixed || (isPlaced && row.previousElementSibling === before)) {
      return;
    }
    if (before === null) {
      this._list.prepend(row);
    } else {
      before.after(row);
    }
  }

  private _keys: readonly string[] = [];
  private readonly _rows = new Map<string, HTMLElement>();
  private readonly _resized =
    typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this._show(false));
}

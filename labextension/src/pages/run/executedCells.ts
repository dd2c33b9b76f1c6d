/** Draws the cells of an executed notebook: code, state, duration and outputs, as text, tables and pictures. */

import { formatDuration } from '../../drawing/durations';
import { html, setAttributes } from '../../drawing/elements';
import { foreignTables } from '../../drawing/foreignTables';
import { stateIcon } from '../../drawing/icons';
import { markdown } from '../../drawing/markdown';
import { stateLook } from '../../drawing/states';
import { traceback } from '../../drawing/traceback';
import type { ITaskView } from '../../schemas';
import type { IPageContext } from '../page';
import { pictureOf } from './artifactsView';
import type { ICellOutput, IExecutedCell } from './executedNotebook';
import { cellName } from './runRecords';

/** What the file says of a cell to the state that it means. */
const STATES: Readonly<Record<string, string>> = {
  pending: 'PENDING',
  running: 'RUNNING',
  completed: 'COMPLETED',
  failed: 'FAILED',
  skipped: 'SKIPPED'
};

/** Draws the cells; those that have not changed stay, with what is selected in them. */
export class ExecutedCells {
  /** @param _resume - has the notebook resumed from a cell */
  constructor(
    private readonly _context: IPageContext,
    private readonly _resume: (cellId: string) => void
  ) {
    const label = _context.texts.__('The executed notebook');
    setAttributes(this.node, { tabindex: 0, role: 'group', 'aria-label': label });
  }

  readonly node = html('div', { class: 'orc-nb' });

  /**
   * Show newer cells.
   *
   * @param records - index to what the store knows of a code cell, which is newer than the file
   * @param canResume - whether the notebook may be resumed from one that the store knows
   */
  update(
    cells: readonly IExecutedCell[],
    records: ReadonlyMap<number, ITaskView>,
    canResume: boolean
  ): void {
    cells.forEach((cell, at) => {
      const record = cell.index === null ? undefined : records.get(cell.index);
      const state = record?.state ?? STATES[cell.status] ?? '';
      const name = record?.name ?? '';
      const isOffered = canResume && record !== undefined;
      const shown = this._shown.at(at);
      const isSame = shown?.state === state && shown.name === name && shown.isOffered === isOffered;
      if (!isSame || !isSameCell(shown.cell, cell)) {
        const drawn = this._draw(cell, state, name, isOffered);
        const known = this.node.children.item(at);
        if (known === null) {
          this.node.append(drawn);
        } else {
          known.replaceWith(drawn);
        }
      }
      this._shown[at] = { cell, state, name, isOffered };
    });
    while (this.node.childElementCount > cells.length) {
      this.node.lastElementChild?.remove();
    }
    this._shown.length = cells.length;
    this._mark();
  }

  /** Bring a cell into sight, and mark it; false where there is none of this id. */
  show(cellId: string): boolean {
    this._wanted = cellId;
    const cell = this._mark();
    cell?.scrollIntoView({ block: 'nearest' });
    return cell !== null;
  }

  private _mark(): HTMLElement | null {
    let found: HTMLElement | null = null;
    for (const node of this.node.querySelectorAll<HTMLElement>(':scope > .orc-nb-cell')) {
      const isWanted = this._wanted !== null && node.dataset.cellId === this._wanted;
      setAttributes(node, { 'data-marked': isWanted, 'aria-current': isWanted ? 'true' : null });
      found = isWanted ? node : found;
    }
    return found;
  }

  private _draw(cell: IExecutedCell, state: string, name: string, isOffered: boolean): HTMLElement {
    const { texts } = this._context;
    const isCode = cell.type === 'code';
    const look = state === '' ? null : stateLook(state);
    const node = html('section', {
      class: 'orc-nb-cell',
      'data-cell-id': cell.cell_id,
      'data-type': cell.type,
      'data-state': isCode ? state : null,
      'data-tone': isCode ? (look?.tone ?? null) : null,
      'aria-label': name || (isCode ? texts.__('Code') : texts.__('Text'))
    });
    if (isCode) {
      const count = cell.execution_count === null ? '[ ]' : `[${cell.execution_count}]`;
      const called = cell.number === null ? '' : cellName(cell.number, texts);
      const title = texts.__('Number of its execution, as the executed notebook has it');
      const head = html(
        'div',
        { class: 'orc-nb-head' },
        html('span', { class: 'orc-nb-number' }, called),
        html('span', { class: 'orc-nb-count', title }, count)
      );
      if (look !== null) {
        const word = html('span', { class: 'orc-word' }, look.word(texts));
        head.append(html('span', { class: 'orc-state' }, stateIcon(look.icon), word));
      }
      if (cell.seconds !== null) {
        head.append(html('span', { class: 'orc-time' }, formatDuration(cell.seconds)));
      }
      if (isOffered) {
        head.append(this._resumeButton(cell.cell_id));
      }
      node.append(head);
    }
    if (cell.type === 'markdown') {
      node.append(markdown(cell.source, { texts, top: 2, keepsLines: false }));
    } else {
      const source = isCode ? html('code', {}, cell.source) : cell.source;
      node.append(html('pre', { class: 'orc-nb-source' }, source));
    }
    node.append(...cell.outputs.map(output => this._output(output)));
    return node;
  }

  private _resumeButton(cellId: string): HTMLElement {
    const { texts } = this._context;
    const label = texts.__('Resume from here…');
    const node = html('button', { type: 'button', class: 'orc-link orc-nb-resume' }, label);
    setAttributes(node, { title: texts.__('Run this cell and all below it again') });
    node.addEventListener('click', () => this._resume(cellId));
    return node;
  }

  private _output(output: ICellOutput): HTMLElement {
    const { texts } = this._context;
    if (output.kind === 'picture') {
      const src = pictureOf('display', { [output.mime]: output.data });
      if (src !== null) {
        const alt = output.text || texts.__('Picture');
        return html('img', { class: 'orc-picture orc-nb-output', src, alt });
      }
    }
    if (output.kind === 'error') {
      const node = traceback(output.text, texts);
      node.classList.add('orc-nb-output');
      return node;
    }
    const tables = output.html === '' ? [] : foreignTables(output.html, texts);
    if (tables.length > 0) {
      return html('div', { class: 'orc-nb-output' }, ...tables);
    }
    if (output.kind === 'omitted') {
      return html('p', { class: 'orc-nb-output orc-nb-omitted' }, output.text);
    }
    if (output.kind === 'markdown') {
      return html(
        'div',
        { class: 'orc-nb-output' },
        markdown(output.text, { texts, top: 2, keepsLines: false })
      );
    }
    const label = output.kind === 'stderr' ? texts.__('Error output') : texts.__('Output');
    return html(
      'pre',
      {
        class: 'orc-nb-output',
        'data-kind': output.kind,
        tabindex: 0,
        role: 'group',
        'aria-label': label
      },
      output.text
    );
  }

  /** The cells as they are drawn. */
  private readonly _shown: IShownCell[] = [];
  private _wanted: string | null = null;
}

interface IShownCell {
  readonly cell: IExecutedCell;
  readonly state: string;
  readonly name: string;
  readonly isOffered: boolean;
}

/** Tell whether two cells say the same; at once where the file was not read anew, however much is in them. */
function isSameCell(one: IExecutedCell, other: IExecutedCell): boolean {
  if (one === other) {
    return true;
  }
  const { outputs } = other;
  return (
    one.index === other.index &&
    one.number === other.number &&
    one.cell_id === other.cell_id &&
    one.type === other.type &&
    one.source === other.source &&
    one.status === other.status &&
    one.execution_count === other.execution_count &&
    one.seconds === other.seconds &&
    one.outputs.length === outputs.length &&
    one.outputs.every((output, at) => isSameOutput(output, outputs[at]))
  );
}

function isSameOutput(one: ICellOutput, other: ICellOutput): boolean {
  return (
    one.kind === other.kind &&
    one.text === other.text &&
    one.mime === other.mime &&
    one.data === other.data &&
    one.html === other.html
  );
}

/** The failure of a run, first on its page: what, where in the user's code, and the trace unfolded there. */

import { html, setAttributes, showText } from '../../drawing/elements';
import { stateIcon } from '../../drawing/icons';
import { isFailure, stateLook } from '../../drawing/states';
import { errorWords, whereWords } from '../../drawing/taskWords';
import { traceback } from '../../drawing/traceback';
import type { ITaskView } from '../../schemas';
import type { IPageContext } from '../page';
import type { IRunStep } from '../pagesApi';
import { notebookLink } from './notebookView';
import { askToResume, stepOf } from './resumption';
import type { RunRecords } from './runRecords';
import { whoSetState } from './stateSetting';

/** The error is what is looked for: a longer name would leave no room for it. */
const LONGEST_NAME = 60;

/** Draws the failure; hidden where there is none, and of a run that ended well all the same. */
export class FailureBlock {
  /** @param _showCell - shows a cell in the executed notebook */
  constructor(
    private readonly _context: IPageContext,
    private readonly _showCell: (cellId: string) => void
  ) {
    this.node.setAttribute('aria-label', _context.texts.__('What failed'));
    this.node.hidden = true;
  }

  readonly node = html('section', { class: 'orc-failure' });

  /** Show newer records. */
  update(records: RunRecords): void {
    const { run, failure } = records;
    const isBad = run !== null && isFailure(run.state);
    // it was set by hand, or let go on: its tasks say what failed
    const isWell = run !== null && run.state === 'COMPLETED';
    const shown = JSON.stringify([isBad, run?.state, run?.message, failure, records.tasks.length]);
    if (shown === this._shown) {
      return;
    }
    this._shown = shown;
    this.node.hidden = isWell || (failure === null && !isBad);
    if (run === null || this.node.hidden) {
      this.node.replaceChildren();
      return;
    }
    const look = stateLook(failure?.state ?? run.state);
    setAttributes(this.node, { 'data-tone': look.tone });
    const word = look.word(this._context.texts);
    const why = whoSetState(run) === null ? run.message : ''; // its head tells who set it
    const what =
      failure === null ? why : `${shortName(failure.name)}: ${errorWords(failure) || word}`;
    const icon = html('span', { class: 'orc-state' }, stateIcon(look.icon));
    const parts: HTMLElement[] = [
      html(
        'h2',
        {},
        icon,
        html('span', { class: failure?.error?.traceback ? 'orc-failure-what' : null }, what || word)
      )
    ];
    if (failure !== null) {
      parts.push(...this._details(records, failure));
    }
    this.node.replaceChildren(...parts);
    this._scrollToOwnFrame();
  }

  private _details(records: RunRecords, failure: ITaskView): HTMLElement[] {
    const { texts } = this._context;
    const { run } = records;
    const parts: HTMLElement[] = [];
    const where = whereWords(failure, texts);
    const line = failure.error?.source_line?.trim() ?? '';
    const file = run?.output_path ?? run?.notebook_path ?? null;
    if (where !== '' || line !== '') {
      const place = html('p', { class: 'orc-failure-place' });
      if (file !== null && failure.cell_id !== null) {
        place.append(
          notebookLink(this._context, file, where || texts.__('The cell'), failure.cell_id)
        );
      } else if (where !== '') {
        place.append(html('span', {}, where));
      }
      if (line !== '') {
        place.append(' ', html('code', {}, line));
      }
      if (failure.cell_id !== null && run?.kind === 'notebook') {
        place.append(' ', this._cellButton(failure.cell_id));
      }
      const step = stepOf(run, failure);
      if (step !== null) {
        place.append(' ', this._resumeButton(records, step));
      }
      parts.push(place);
    }
    const trace = failure.error?.traceback;
    if (trace) {
      parts.push(traceback(trace, texts));
    }
    const others = records.failures.filter(one => one !== failure).length;
    const more = html('p', { class: 'orc-detail' });
    showText(more, others === 0 ? '' : texts._n('%1 other failed', '%1 others failed', others));
    parts.push(more);
    return parts;
  }

  private _cellButton(cellId: string): HTMLElement {
    const label = this._context.texts.__('Show the executed cell');
    const node = html('button', { type: 'button', class: 'orc-link' }, label);
    node.addEventListener('click', () => this._showCell(cellId));
    return node;
  }

  private _resumeButton(records: RunRecords, step: IRunStep): HTMLElement {
    const label = this._context.texts.__('Resume from here…');
    const node = html('button', { type: 'button', class: 'orc-link' }, label);
    node.addEventListener('click', () => void askToResume(this._context, records, step));
    return node;
  }

  /** The user's own frame is the last that is no library's: it is what the reader looks for. */
  private _scrollToOwnFrame(): void {
    const trace = this.node.querySelector<HTMLElement>('.orc-trace');
    const own = trace?.querySelectorAll<HTMLElement>(':scope > .orc-trace-text');
    const last = own?.[own.length - 1];
    if (trace && last) {
      trace.scrollTop = last.offsetTop + last.offsetHeight - trace.clientHeight;
    }
  }

  private _shown = '';
}

/** Give a task's name as it stands before an error; a cell is called by its first line, which may end with a colon. */
function shortName(name: string): string {
  const plain = name.replace(/:$/, '');
  return plain.length > LONGEST_NAME ? `${plain.slice(0, LONGEST_NAME - 1)}…` : plain;
}

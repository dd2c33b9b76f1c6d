/**
 * The badges of one open notebook.
 *
 * A badge is a child of its cell's widget, below the input. A windowed notebook takes cells out of the page and puts them
 * back with all that they hold, so it is made once; of a cell that was never drawn it waits for that.
 */

import type { Cell, CodeCell, ICellModel } from '@jupyterlab/cells';
import type { IChangedArgs } from '@jupyterlab/coreutils';
import type { Contents } from '@jupyterlab/services';
import type { Notebook, NotebookPanel } from '@jupyterlab/notebook';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { IDisposable } from '@lumino/disposable';
import { MessageLoop } from '@lumino/messaging';
import type { IMessageHandler, Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import type { PanelLayout } from '@lumino/widgets';

import { RepeatedFailure } from '../notify';
import type { IRunsModel } from '../tokens';
import { CellBadge } from './cellBadge';
import type { IBadgeOptions } from './cellBadge';
import type { ICellRecord } from './cellRecords';
import type { ICellsApi } from './cellsApi';
import type { ExecutionMemory } from './executionMemory';
import { NotebookCells } from './notebookCells';
import { RanHere } from './ranHere';
import { hasTaskLine } from './taskLines';
import { isTaskSource } from './taskSource';

/** Typing changes which badges are right; they follow so much later, in milliseconds. */
const TYPING = 100;

const INPUT_CLASS = 'jp-Cell-inputWrapper';
const LOOKS = ['after-attach', 'before-detach', 'after-show', 'after-hide'];

/** What the badges of a notebook need. */
export interface INotebookBadgesOptions extends IBadgeOptions {
  readonly api: ICellsApi;
  readonly runs: IRunsModel;
  readonly contents: Contents.IManager;
  readonly memory: ExecutionMemory;
}

/** Keeps the badges right until it is disposed. */
export class NotebookBadges implements IDisposable {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _options: INotebookBadgesOptions
  ) {
    const { api, runs, contents, memory, texts } = _options;
    const { content, context } = _panel;
    const path = contents.localPath(context.path);
    const what = texts.__('What the cells of %1 did could not be read.', context.path);
    this._cells = new NotebookCells(api, runs, path, new RepeatedFailure(texts, what));
    this._ranHere = new RanHere(memory, path);
    this._cells.changed.connect(this._update, this);
    context.pathChanged.connect(this._onPath, this);
    context.saveState.connect(this._onSaveState, this);
    content.modelChanged.connect(this._onModel, this);
    content.modelContentChanged.connect(this._updateSoon, this);
    MessageLoop.installMessageHook(_panel, this._hook);
    this._onModel(content);
    this._adapt();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    MessageLoop.removeMessageHook(this._panel, this._hook);
    if (this._timer !== null) {
      clearTimeout(this._timer);
    }
    Signal.disconnectReceiver(this);
    this._cells.dispose();
    this._badges.forEach(badge => badge.dispose());
    this._badges.clear();
  }

  /** The stream is followed while the notebook is in sight. */
  private _adapt(): void {
    this._cells.setFollowing(this._panel.isVisible);
  }

  private _onModel(content: Notebook): void {
    content.model?.cells.changed.connect(this._updateSoon, this);
    this._updateSoon();
  }

  private _onPath(context: DocumentRegistry.Context): void {
    const path = this._options.contents.localPath(context.path);
    this._cells.setPath(path);
    this._ranHere.setPath(path, this._options.clock.now());
  }

  private _onSaveState(_: unknown, state: DocumentRegistry.SaveState): void {
    if (state === 'completed') {
      void this._cells.refresh();
    }
  }

  private _updateSoon(): void {
    this._timer ??= setTimeout(() => {
      this._timer = null;
      this._update();
    }, TYPING);
  }

  private _update(): void {
    if (this._isDisposed) {
      return;
    }
    const present = new Set<Cell>(this._panel.content.widgets);
    for (const [cell, badge] of this._badges) {
      if (!present.has(cell)) {
        badge.dispose();
        this._badges.delete(cell);
      }
    }
    present.forEach(cell => this._updateCell(cell));
  }

  private _updateCell(cell: Cell): void {
    this._listen(cell.model);
    const record = cell.model.type === 'code' ? this._cells.record(cell.model.id) : undefined;
    const known = this._badges.get(cell);
    if (record === undefined || !isSaid(record, cell) || this._ranHere.isOlder(record)) {
      known?.hide();
      return;
    }
    const badge = known ?? this._addBadge(cell, record);
    const hasLine = hasTaskLine(cell, record.task_run_id);
    badge.showCell(record, hasLine);
    badge.setHidden(hasLine && record.stale === '');
  }

  /** Hear when a cell begins in the kernel. */
  private _listen(model: ICellModel): void {
    if (!this._heard.has(model)) {
      this._heard.add(model);
      model.stateChanged.connect(this._onCellState, this);
    }
  }

  private _onCellState(model: ICellModel, change: IChangedArgs<unknown>): void {
    if (change.name === 'executionState' && change.newValue === 'running') {
      this._ranHere.note(model.id, this._cells.record(model.id), this._options.clock.now());
      this._updateSoon();
    }
  }

  private _addBadge(cell: Cell, record: ICellRecord): CellBadge {
    const badge = new CellBadge(record, this._options);
    this._badges.set(cell, badge);
    void cell.ready.then(() => {
      this._followFolding(cell as CodeCell, badge);
      if (cell.isDisposed || this._putIntoCell(badge, cell)) {
        return;
      }
      cell.inViewportChanged.connect(this._onInViewport, this);
    });
    return badge;
  }

  /** Hear when the outputs of a cell are folded or shown: they leave the page, and no signal tells of it. */
  private _followFolding({ outputArea }: CodeCell, badge: CellBadge): void {
    if (badge.isDisposed) {
      return;
    }
    const hook = (_: IMessageHandler, { type }: Message): boolean => {
      if (LOOKS.includes(type)) {
        this._updateSoon();
      }
      return true;
    };
    MessageLoop.installMessageHook(outputArea, hook);
    badge.disposed.connect(() => MessageLoop.removeMessageHook(outputArea, hook));
  }

  private _onInViewport(cell: Cell): void {
    const badge = this._badges.get(cell);
    if (badge === undefined || this._putIntoCell(badge, cell)) {
      cell.inViewportChanged.disconnect(this._onInViewport, this);
    }
  }

  /**
   * Put a badge into its cell; false where that is out of the page. JupyterLab takes cells that it hides apart, and puts
   * together what they hold when they are seen again: what came in between would not be measured with the cell.
   */
  private _putIntoCell(badge: CellBadge, cell: Cell): boolean {
    if (badge.isDisposed) {
      return true;
    }
    if (!cell.isAttached) {
      return false;
    }
    const layout = cell.layout as PanelLayout;
    const input = layout.widgets.findIndex(widget => widget.hasClass(INPUT_CLASS));
    layout.insertWidget(input + 1, badge);
    return true;
  }

  private readonly _hook = (_: IMessageHandler, message: Message): boolean => {
    if (LOOKS.includes(message.type)) {
      // the panel is as the message says only after it was handled
      void Promise.resolve().then(() => this._isDisposed || this._adapt());
    }
    return true;
  };

  private readonly _cells: NotebookCells;
  private readonly _badges = new Map<Cell, CellBadge>();
  private readonly _ranHere: RanHere;
  private readonly _heard = new WeakSet<ICellModel>();
  private _timer: ReturnType<typeof setTimeout> | null = null;
  private _isDisposed = false;
}

/** What a task did says nothing of a cell that is no task any more. */
function isSaid(record: ICellRecord, cell: Cell): boolean {
  return record.task_run_id === null || isTaskSource(cell.model.sharedModel.getSource());
}

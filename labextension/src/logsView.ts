/** The log of one run as a widget of JupyterLab: it watches the runs while it is shown. */

import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { LogLines } from './logLines';
import { ServerLogs } from './logSource';
import type { ITexts } from './drawing/translation';
import type { IOrchestraApi, IRunsModel } from './tokens';

/** What the view needs. */
export interface ILogsViewOptions {
  readonly runId: string;
  readonly api: IOrchestraApi;
  readonly runs: IRunsModel;
  readonly texts: ITexts;
  readonly locale?: string;
}

/** Shows the lines of a run as they come. */
export class LogsView extends Widget {
  constructor(options: ILogsViewOptions) {
    const { runId, api, runs, texts, locale } = options;
    const source = new ServerLogs(() => [runId], api, runs);
    const lines = new LogLines({ source, texts, locale });
    super({ node: lines.node });
    this._lines = lines;
    this._options = options;
  }

  /** The run whose lines are shown. */
  get runId(): string {
    return this._options.runId;
  }

  /** Show only the lines of one task; null shows all. */
  showTask(taskRunId: string | null): void {
    this._lines.showTask(taskRunId);
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._watch?.dispose();
    this._watch = null;
    super.dispose();
    this._lines.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._watch ??= this._options.runs.watch();
    this._lines.refresh();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this._watch ??= this._options.runs.watch();
    }
  }

  protected override onBeforeHide(message: Message): void {
    this._watch?.dispose();
    this._watch = null;
    super.onBeforeHide(message);
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this._lines.focus();
  }

  private readonly _options: ILogsViewOptions;
  private readonly _lines: LogLines;
  private _watch: IDisposable | null = null;
}

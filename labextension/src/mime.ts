/** The renderers of our two MIME types: a task or a flow with live states, and all that one task cell showed. */

import { OutputArea, OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import type { IOutput } from '@jupyterlab/nbformat';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { PanelLayout, Widget } from '@lumino/widgets';

import { isLive, laterRecord } from './drawing/states';
import { TaskLine } from './drawing/taskLine';
import { InlineRun } from './inline/inlineRun';
import { laterRuns } from './inline/rerunTasks';
import { hasFailed, headRunId, newestFlow } from './inline/runParts';
import type { IInlineOptions } from './inline/runSource';
import { RUN_MIME_TYPE, isId, readFields, readList, readRunOutput } from './schemas';
import type { IFlowOutput, IRun, ITaskOutput, ITaskView, RunOutput } from './schemas';
import type { IRunsChange, IRunsModel } from './tokens';

/** An output that says to be live and is older than this was saved in the middle of a run, or the page was reloaded. */
const FRESH_SECONDS = 60;

/** A run may be stored so much later than its first output is shown. */
const STORING_SECONDS = 5;

const OUTPUT_TYPES = ['stream', 'display_data', 'execute_result', 'error'];

/** More outputs than this are shown on demand. */
const SHOWN_OUTPUTS = 100;

/** What the renderer needs. */
export interface IRunRendererOptions extends IInlineOptions {
  /** Tell whether there are any runs on this server: asking for one must not make a store of them. */
  readonly hasStore: () => Promise<boolean>;
}

/**
 * Draws `application/vnd.orchestra.run.v1+json`.
 *
 * While the output is live, what the server's stream says of the same task is preferred where it is newer. An old output
 * that says to be live is believed only when the server knows its run, or when the kernel sends an update. A flow is shown
 * as the server knows it, also when the kernel that drew it is gone: it may have gone on, or have been retried since.
 */
export class RunRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(runs: IRunsModel, options: IRunRendererOptions) {
    super();
    this.addClass('orc-output');
    this._runs = runs;
    this._options = options;
  }

  /** Draw the model, or update what is drawn. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const output = readRunOutput(model.data[RUN_MIME_TYPE]);
    const isUpdate = this._output !== null;
    this._output = output;
    if (output === null) {
      this._stopFollowing();
      this._clear();
      this.node.textContent = String(model.data['text/plain'] ?? '');
      return;
    }
    if (isUpdate) {
      this._isConfirmed = true;
      const isPart = output.view === 'flow' && output.omitted.size > 0;
      if ((isPart || !output.live) && headId(output) !== this._askedOf) {
        void this._askServer(output); // its cells may run again in another kernel, which sends no update
      }
    } else {
      const seconds = age(output, this._options.clock.now());
      this._isConfirmed = seconds < FRESH_SECONDS;
      if (output.live ? seconds > STORING_SECONDS : headId(output) !== null) {
        void this._askServer(output);
      }
    }
    this._show();
    this._adapt();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._stopFollowing();
      this._clear();
      super.dispose();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._adapt();
  }

  protected override onBeforeDetach(message: Message): void {
    this._stopFollowing();
    super.onBeforeDetach(message);
  }

  private async _askServer(output: RunOutput): Promise<void> {
    const head = headId(output);
    this._askedOf = head;
    if (!output.live && !(await this._options.hasStore().catch(() => false))) {
      return;
    }
    const ids = output.live ? recordsOf(output).map(record => record.run_id) : [head ?? ''];
    const known = await Promise.all([...new Set(ids)].filter(isId).map(id => this._runs.load(id)));
    if (known.includes(true) && !this.isDisposed) {
      this._isConfirmed = true;
      this._isKnown = head !== null;
      this._loadLater();
      this._show();
      this._adapt();
    } else {
      this._askedOf = null; // whoever drives it stores it soon: the next update asks again
    }
  }

  private _adapt(): void {
    const follows = this.isAttached && (this._output?.live === true || this._isKnown);
    if (follows && this._watch === null) {
      this._watch = this._runs.watch();
      this._runs.changed.connect(this._onChanged, this);
    } else if (!follows) {
      this._stopFollowing();
    }
  }

  private _stopFollowing(): void {
    this._runs.changed.disconnect(this._onChanged, this);
    this._watch?.dispose();
    this._watch = null;
  }

  private _onChanged(_: IRunsModel, change: IRunsChange): void {
    const later = this._loadLater();
    const records = this._output === null ? [] : [...recordsOf(this._output), ...later];
    if (records.some(record => change.runs.has(record.run_id))) {
      this._isConfirmed = true;
      this._show();
    }
  }

  /** Give the runs in which cells of a flow that failed may have run again; what they did is read once. */
  private _loadLater(): readonly IRun[] {
    if (this._output?.view !== 'flow' || !this._isKnown || !hasFailed(this._output)) {
      return [];
    }
    const later = laterRuns(this._runs.run(headId(this._output) ?? ''), this._runs);
    later.forEach(({ run_id: id }) => void this._runs.load(id));
    return later;
  }

  private _show(): void {
    if (this._output?.view === 'task') {
      this._showTask(this._output);
    } else if (this._output?.view === 'flow') {
      this._showFlow(this._output);
    }
  }

  private _showTask(output: ITaskOutput): void {
    const task = this._newestTask(output, output.task);
    const live = output.live && this._isConfirmed;
    const newest = { ...output, task, live };
    if (this._drawing instanceof TaskLine) {
      this._drawing.update(newest);
    } else {
      this._clear();
      this._drawing = new TaskLine(newest, this._drawingOptions(output));
      this.node.append(this._drawing.node);
    }
  }

  private _showFlow(output: IFlowOutput): void {
    const isAsked = output.live || this._isKnown;
    const newest = isAsked ? newestFlow(output, this._runs, this._isConfirmed) : output;
    if (this._drawing instanceof InlineRun) {
      this._drawing.update(newest);
    } else {
      this._clear();
      this._drawing = new InlineRun(newest, this._drawingOptions(output));
      this.node.append(this._drawing.node);
    }
  }

  private _newestTask(output: RunOutput, task: ITaskView): ITaskView {
    const known = output.live ? this._runs.task(task.task_run_id) : undefined;
    return known === undefined ? task : laterRecord(task, known);
  }

  /** Without a server that could answer, and for ids that are none, there is nothing to do about a task. */
  private _drawingOptions(output: RunOutput): IInlineOptions {
    const canAsk =
      this._runs.connection !== 'missing' && recordsOf(output).every(record => isId(record.run_id));
    return canAsk ? this._options : { ...this._options, actions: {}, source: null };
  }

  private _clear(): void {
    this._drawing?.dispose();
    this._drawing = null;
    this.node.textContent = '';
  }

  private readonly _runs: IRunsModel;
  private readonly _options: IRunRendererOptions;
  private _output: RunOutput | null = null;
  private _isConfirmed = false;
  /** Whether the server knows the run of the flow's head. */
  private _isKnown = false;
  /** The run of the head that the server was asked about. */
  private _askedOf: string | null = null;
  private _drawing: TaskLine | InlineRun | null = null;
  private _watch: IDisposable | null = null;
}

/**
 * Draws `application/vnd.orchestra.outputs.v1+json`: nbformat outputs one below the other, in an output area of their own
 * with the trust of the output that holds them.
 */
export class OutputsRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(mimeType: string, rendermime: IRenderMimeRegistry) {
    super();
    this.addClass('orc-outputs');
    this._mimeType = mimeType;
    this._rendermime = rendermime;
    this.layout = new PanelLayout();
  }

  /** Draw the model, or update what is drawn. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const fields = readFields(model.data[this._mimeType]);
    this._outputs = fields?.version === 1 ? readList(fields.outputs, readOutput) : [];
    this._trusted = model.trusted;
    if (this.isAttached) {
      this._show();
    }
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._clear();
      super.dispose();
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this._area === null) {
      this._show();
    }
  }

  private _show(): void {
    if (this._area !== null && this._area.model.trusted === this._trusted) {
      this._area.model.fromJSON(this._outputs);
      return;
    }
    this._clear();
    this._area = new SimplifiedOutputArea({
      model: new OutputAreaModel({ values: this._outputs, trusted: this._trusted }),
      rendermime: this._notebookRegistry(),
      contentFactory: OutputArea.defaultContentFactory,
      maxNumberOutputs: SHOWN_OUTPUTS
    });
    (this.layout as PanelLayout).addWidget(this._area);
  }

  /** The registry of the notebook around knows more than the application's: its links, and its kernel's widgets. */
  private _notebookRegistry(): IRenderMimeRegistry {
    for (let widget = this.parent; widget !== null; widget = widget.parent) {
      if (widget instanceof OutputArea) {
        return widget.rendermime;
      }
    }
    return this._rendermime;
  }

  private _clear(): void {
    const model = this._area?.model;
    this._area?.dispose();
    model?.dispose();
    this._area = null;
  }

  private readonly _mimeType: string;
  private readonly _rendermime: IRenderMimeRegistry;
  private _outputs: IOutput[] = [];
  private _trusted = false;
  private _area: SimplifiedOutputArea | null = null;
}

function recordsOf(output: RunOutput): (ITaskView | IRun)[] {
  return output.view === 'task'
    ? [output.task]
    : [...output.tasks, ...(output.run ? [output.run] : [])];
}

/** Give the id of the run in the head of a flow; null of what is none. */
function headId(output: RunOutput): string | null {
  const id = output.view === 'flow' ? headRunId(output) : null;
  return id !== null && isId(id) ? id : null;
}

/** Give how many seconds ago the newest record of an output was created. */
function age(output: RunOutput, now: number): number {
  const live = recordsOf(output).filter(record => isLive(record.state));
  const created = live.map(record => Date.parse(record.created_at ?? '')).filter(Number.isFinite);
  return created.length === 0 ? Infinity : (now - Math.max(...created)) / 1000;
}

function readOutput(data: unknown): IOutput | null {
  const fields = readFields(data);
  return fields !== null && OUTPUT_TYPES.includes(String(fields.output_type))
    ? (fields as unknown as IOutput)
    : null;
}

/** What one widget shows, in a shadow root that may move: front ends draw a widget anew when its output changes. */

import drawingStyle from '../../style/drawing.css';
import logsStyle from '../../style/logs.css';
import runViewsStyle from '../../style/runViews.css';
import { Clock } from '../drawing/clock';
import { formatMoment } from '../drawing/durations';
import { html, showText } from '../drawing/elements';
import { TaskLine } from '../drawing/taskLine';
import { englishTexts } from '../drawing/translation';
import { InlineRun } from '../inline/inlineRun';
import type { IInlineOptions } from '../inline/runSource';
import { isId, readRunOutput, readTextOrNull } from '../schemas';
import type { RunOutput } from '../schemas';
import { KernelCalls } from './kernelCalls';
import { KernelRuns } from './kernelRuns';
import { followTheme } from './theme';
import { BoundModel } from './widgetModel';
import type { IWidgetModel } from './widgetModel';

/** Milliseconds between two looks whether the kernel of a live run is still there. */
const LOOK = 5000;

/** Draws the model's `output`, and asks its kernel what is wanted beside it. */
export class RunWidget {
  constructor(model: IWidgetModel) {
    this._model = new BoundModel(model);
    const root = this.node.attachShadow({ mode: 'open' });
    const style = html('style', {}, drawingStyle, logsStyle, runViewsStyle);
    root.append(style, this._problem, this._news, this._silence, this._stage);
    [this._problem, this._news, this._silence].forEach(node => showText(node, ''));
    this._calls = new KernelCalls(this._model, englishTexts);
    this._options = this._makeOptions();
    this._unfollow = followTheme(dark => (this.node.dataset.orcTheme = dark ? 'dark' : 'light'));
    this._model.on('change:output', this._onChange);
    this._model.on('msg:custom', this._onMessage);
    this._timer = setInterval(() => this._draw(), LOOK);
    this._draw();
    void this._readOutput();
  }

  /** What to put into the page. */
  readonly node = html('div', { class: 'orc-widget' });

  /** Go on in another view of the same widget. */
  bind(model: IWidgetModel): void {
    this._model.bind(model);
    this._draw();
  }

  dispose(): void {
    clearInterval(this._timer);
    this._model.off('change:output', this._onChange);
    this._model.off('msg:custom', this._onMessage);
    this._calls.dispose();
    this._unfollow();
    this._drawing?.dispose();
    this.node.remove();
  }

  private _makeOptions(): IInlineOptions {
    return {
      texts: englishTexts,
      clock: new Clock(),
      actions: {
        cancelRun: run => void this._do('cancel', { run }),
        cancel: ({ run_id: run, task_run_id: task }) => void this._do('cancel', { run, task }),
        retryTasks: tasks => void this._do('retry', { tasks })
      },
      source: new KernelRuns(this._calls, () => this._output)
    };
  }

  /** Have the kernel do something; what it says about it, or against it, is shown. */
  private async _do(what: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    showText(this._problem, '');
    showText(this._news, '');
    try {
      showText(this._news, readTextOrNull(await this._calls.ask(what, fields)) ?? '');
    } catch (error) {
      showText(this._problem, error instanceof Error ? error.message : String(error));
    }
  }

  /** Read what is newest: what the kernel said while the front end still loaded this code was not heard. */
  private async _readOutput(): Promise<void> {
    const before = this._model.get('output');
    try {
      const output = await this._calls.ask('output', {});
      if (this._model.get('output') === before) {
        this._asked = output;
        this._draw();
      }
    } catch {
      // what was given is shown
    }
  }

  private _draw(): void {
    const given = this._asked ?? this._model.get('output');
    const known = readRunOutput(given);
    const isSilent = known?.live === true && this._calls.isSilent;
    const output = known !== null && isSilent ? { ...known, live: false } : known;
    const heard = formatMoment(new Date(this._calls.heardAt).toISOString(), undefined);
    const silence = englishTexts.__(
      'The kernel has not been heard since %1: it is gone, or cannot be reached. What is shown is what was known then.',
      heard
    );
    showText(this._silence, isSilent ? silence : '');
    if (output === null || given !== this._drawn || isSilent !== this._isSilent) {
      this._drawn = given;
      this._isSilent = isSilent;
      this._output = output;
      this._show(output);
    }
  }

  private _show(output: RunOutput | null): void {
    if (output?.view === 'task' && this._drawing instanceof TaskLine) {
      this._drawing.update(output);
    } else if (output?.view === 'flow' && this._drawing instanceof InlineRun) {
      this._drawing.update(output);
    } else {
      this._drawing?.dispose();
      this._drawing = null;
      if (output !== null) {
        const options = this._optionsFor(output);
        this._drawing =
          output.view === 'task' ? new TaskLine(output, options) : new InlineRun(output, options);
        this._stage.append(this._drawing.node);
      }
    }
  }

  /** What has no run yet, or is the graph of a flow that was not run, cannot be asked about. */
  private _optionsFor(output: RunOutput): IInlineOptions {
    const records = output.view === 'task' ? [output.task] : output.tasks;
    return records.every(record => isId(record.run_id))
      ? this._options
      : { ...this._options, actions: {}, source: null };
  }

  private readonly _onChange = (): void => {
    this._asked = null;
    this._draw();
  };
  private readonly _onMessage = (): void => this._draw();
  private readonly _model: BoundModel;
  private readonly _calls: KernelCalls;
  private readonly _options: IInlineOptions;
  private readonly _unfollow: () => void;
  private readonly _timer: ReturnType<typeof setInterval>;
  private _output: RunOutput | null = null;
  private _drawn: unknown = null;
  /** What the kernel answered since it last changed the model; null before. */
  private _asked: unknown = null;
  private _isSilent = false;
  private _drawing: TaskLine | InlineRun | null = null;
  private readonly _problem = html('p', { class: 'orc-problem', role: 'alert' });
  private readonly _news = html('p', { class: 'orc-flow-message', role: 'status' });
  private readonly _silence = html('p', { class: 'orc-flow-message orc-silence', role: 'status' });
  private readonly _stage = html('div');
}

/** The widget for front ends without our extension (VS Code, Colab): the same drawings in a shadow root. */

import drawingStyle from '../../style/drawing.css';
import logsStyle from '../../style/logs.css';
import runViewsStyle from '../../style/runViews.css';
import { Clock } from '../drawing/clock';
import { html } from '../drawing/elements';
import { TaskLine } from '../drawing/taskLine';
import { englishTexts } from '../drawing/translation';
import { InlineRun } from '../inline/inlineRun';
import type { IInlineOptions } from '../inline/runSource';
import { readRunOutput } from '../schemas';
import { followTheme } from './theme';

/** What we use of anywidget's model. */
export interface IWidgetModel {
  get(name: string): unknown;
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

/** Draw the model's `output` into an element; gives the function that undoes it. */
export function render({ model, el }: { model: IWidgetModel; el: HTMLElement }): () => void {
  const host = html('div', { class: 'orc-widget' });
  const root = host.attachShadow({ mode: 'open' });
  const stage = html('div');
  root.append(html('style', {}, drawingStyle, logsStyle, runViewsStyle), stage);
  el.append(host);
  const options: IInlineOptions = {
    texts: englishTexts,
    clock: new Clock(),
    actions: {},
    source: null
  };
  let drawing: TaskLine | InlineRun | null = null;

  const draw = (): void => {
    const output = readRunOutput(model.get('output'));
    if (output?.view === 'task' && drawing instanceof TaskLine) {
      drawing.update(output);
    } else if (output?.view === 'flow' && drawing instanceof InlineRun) {
      drawing.update(output);
    } else {
      drawing?.dispose();
      drawing = null;
      if (output !== null) {
        drawing =
          output.view === 'task' ? new TaskLine(output, options) : new InlineRun(output, options);
        stage.append(drawing.node);
      }
    }
  };

  const unfollow = followTheme(dark => (host.dataset.orcTheme = dark ? 'dark' : 'light'));
  model.on('change:output', draw);
  draw();
  return () => {
    model.off('change:output', draw);
    unfollow();
    drawing?.dispose();
    host.remove();
  };
}

export default { render };

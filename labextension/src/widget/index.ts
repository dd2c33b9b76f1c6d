/** The widget for front ends without our extension (VS Code, Colab, Voilà): the same drawings, fed by the kernel. */

import { RunWidget } from './runWidget';
import type { IWidgetModel } from './widgetModel';

/** Milliseconds for which what was taken out of the page is kept: it may be wanted somewhere else. */
const KEPT = 1000;

interface IShown {
  readonly widget: RunWidget;
  /** Where it stands; null for nowhere. */
  place: HTMLElement | null;
}

/** The widgets of this page by their `key`. */
const shown = new Map<unknown, IShown>();

/**
 * Draw a model into an element; gives the function that undoes it.
 *
 * A front end draws a widget anew when the output that holds it changes. What it had then goes on: the tab, what is
 * chosen, what was read. A second view beside the first is one of its own.
 */
function render({ model, el }: { model: IWidgetModel; el: HTMLElement }): () => void {
  const key = model.get('key');
  const before = shown.get(key);
  let one = before;
  if (one === undefined || one.place?.isConnected === true) {
    one = { widget: new RunWidget(model), place: null };
  } else {
    one.widget.bind(model);
  }
  if (before?.place?.isConnected !== true) {
    shown.set(key, one);
  }
  one.place = el;
  el.append(one.widget.node);
  return () => leave(key, one, el);
}

function leave(key: unknown, one: IShown, el: HTMLElement): void {
  if (one.place !== el) {
    return; // it stands somewhere else by now
  }
  one.place = null;
  one.widget.node.remove();
  setTimeout(() => {
    if (one.place !== null) {
      return;
    }
    one.widget.dispose();
    if (shown.get(key) === one) {
      shown.delete(key);
    }
  }, KEPT);
}

export default { render };

/** Folds the frames of libraries away, so that the user's own lines stand out in a trace. */

import { html } from './elements';
import type { ITexts } from './translation';

/** A stretch of a trace: the user's own text, or the frames of libraries that follow each other. */
export interface ITraceSegment {
  readonly text: string;
  /** Number of library frames; 0 for the user's own text. */
  readonly libraryFrames: number;
}

const FRAME = /^\s{0,2}(?:File |Cell )/;
const LIBRARY = /[\\/](?:site|dist)-packages[\\/]|[\\/]lib[\\/]python\d|<frozen /;
// A line of code, of marks below it, or the arrow of IPython's traces; anything else ends the frames.
const FRAME_BODY = /^(?:\s|-+>|$)/;

/** Split a trace (Python's or IPython's, without colours) into segments that together are the whole text. */
export function splitTraceback(text: string): ITraceSegment[] {
  const segments: { lines: string[]; libraryFrames: number }[] = [];
  let inLibrary = false;
  for (const line of text.replace(/\s+$/, '').split('\n')) {
    const isFrame = FRAME.test(line);
    const wasInLibrary: boolean = inLibrary;
    inLibrary = isFrame ? LIBRARY.test(line) : inLibrary && FRAME_BODY.test(line);
    const last = segments.at(-1);
    if (last === undefined || inLibrary !== wasInLibrary) {
      segments.push({ lines: [line], libraryFrames: inLibrary ? 1 : 0 });
    } else {
      last.lines.push(line);
      last.libraryFrames += isFrame && inLibrary ? 1 : 0;
    }
  }
  return segments.map(({ lines, libraryFrames }) => ({ text: lines.join('\n'), libraryFrames }));
}

/** Draw a trace. */
export function traceback(text: string, texts: ITexts): HTMLElement {
  const parts = splitTraceback(text).map(segment => {
    const code = html('pre', { class: 'orc-trace-text' }, segment.text);
    if (segment.libraryFrames === 0) {
      return code;
    }
    const label = texts._n('%1 library frame', '%1 library frames', segment.libraryFrames);
    return html('details', { class: 'orc-trace-library' }, html('summary', {}, label), code);
  });
  return html(
    'div',
    { class: 'orc-trace', role: 'group', tabindex: 0, 'aria-label': texts.__('Traceback') },
    ...parts
  );
}

/**
 * The states' own icons: one shape for each, so that none is told by its colour alone.
 *
 * All are drawn in a box of 16 by 16 with the current text colour: `line` is stroked, `fill` is filled.
 */

import { svg } from './elements';

interface IShape {
  readonly line?: string;
  readonly fill?: string;
  /** SVG dash pattern of the line. */
  readonly dashes?: string;
}

const RING = 'M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11z';

/** Icon name to shape. */
export const SHAPES = {
  scheduled: { line: RING, fill: 'M8 8V4a4 4 0 0 1 4 4z' },
  late: {
    line: 'M8 1.5a4.75 4.75 0 1 1 0 9.5a4.75 4.75 0 1 1 0-9.5zM3 14.25h10',
    fill: 'M8 6.25v-3a3 3 0 0 1 3 3z'
  },
  pending: { line: RING },
  running: { fill: 'M4 2.25 14 8 4 13.75z' },
  retrying: { line: 'M13.5 8.4A5.5 5.5 0 1 1 11.9 4.1L13.4 5.6M13.5 2v3.7H9.8' },
  paused: { fill: 'M3.75 2.75h3v10.5h-3zM9.25 2.75h3v10.5h-3z' },
  cancelling: {
    line: 'M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0-14zM8 4.25a3.75 3.75 0 1 1 0 7.5a3.75 3.75 0 1 1 0-7.5zM5.4 5.4l5.2 5.2'
  },
  completed: { line: 'M2.5 8.5 6.25 12.25 13.5 4' },
  cached: {
    line: 'M2.5 8.4A5.5 5.5 0 1 0 4.1 4.1L2.6 5.6M2.5 2v3.7H6.2',
    fill: 'M8 6.4a1.6 1.6 0 1 1 0 3.2a1.6 1.6 0 1 1 0-3.2z'
  },
  failed: { line: 'M3.5 3.5l9 9M12.5 3.5l-9 9' },
  crashed: { fill: 'M9.75 1 3 9.25h4L6 15l7-8.5H8.75z' },
  timedOut: { line: 'M8 4.25a5 5 0 1 1 0 10a5 5 0 1 1 0-10zM8 9.25V6.75M8 4V1.75M6 1.5h4' },
  cancelled: { line: `${RING}M4.1 4.1l7.8 7.8` },
  skipped: {
    line: 'M2 10.25C3.5 3.75 11 3.75 13 9M13.9 5.4 13.1 9.2 9.4 8.3',
    fill: 'M7.5 10.5a1.5 1.5 0 1 1 0 3a1.5 1.5 0 1 1 0-3z'
  },
  upstreamFailed: { line: 'M8 11V2.5M4.25 6.25 8 2.5l3.75 3.75M3.5 14h9' },
  missed: { line: RING, dashes: '2.3 2.02' },
  stale: { line: `${RING}M8 5v3.6M8 10.9v.1` },
  unknown: { line: 'M3.25 3.25h9.5v9.5h-9.5z', dashes: '2 2' }
} satisfies Record<string, IShape>;

/** The name of an icon. */
export type IconName = keyof typeof SHAPES;

/** Draw an icon. It is hidden from screen readers: the state's word stands beside it. */
export function stateIcon(name: IconName): SVGSVGElement {
  const shape: IShape = SHAPES[name];
  const node = svg('svg', {
    class: 'orc-icon',
    viewBox: '0 0 16 16',
    width: 14,
    height: 14,
    'aria-hidden': 'true',
    focusable: 'false',
    'data-icon': name
  });
  if (shape.fill) {
    node.append(svg('path', { class: 'orc-icon-fill', d: shape.fill }));
  }
  if (shape.line) {
    const dashes = shape.dashes ?? null;
    node.append(svg('path', { class: 'orc-icon-line', d: shape.line, 'stroke-dasharray': dashes }));
  }
  return node;
}

/** Where a reader goes in a drawn graph, and how its edges run. */

import type { IPoint, IRoute } from './flowLayout';

/** Space around the boxes of a graph, in pixels. */
export const MARGIN = 6;

/** Key to the direction that it leads to. */
export const DIRECTIONS: Readonly<Record<string, IPoint | undefined>> = {
  ArrowRight: { x: 1, y: 0 },
  ArrowLeft: { x: -1, y: 0 },
  ArrowDown: { x: 0, y: 1 },
  ArrowUp: { x: 0, y: -1 }
};

/** Give the node that a reader expects: up and down in the same column, to the sides what lies aside counts thrice. */
export function nearest(
  nodes: ReadonlyMap<string, IPoint>,
  from: string,
  direction: IPoint
): string | null {
  const start = nodes.get(from) ?? { x: 0, y: 0 };
  let best: string | null = null;
  let least = Infinity;
  for (const [id, place] of nodes) {
    const dx = place.x - start.x;
    const dy = place.y - start.y;
    const along = dx * direction.x + dy * direction.y;
    const aside = Math.abs(dx * direction.y) + Math.abs(dy * direction.x);
    const isInSight = direction.y === 0 || dx === 0;
    if (isInSight && along > 0 && along + 3 * aside < least) {
      best = id;
      least = along + 3 * aside;
    }
  }
  return best;
}

/** Draw a route as one smooth path that leaves and enters boxes horizontally. */
export function curve(route: IRoute): string {
  const points = route.points.map(point => ({ x: point.x + MARGIN, y: point.y + MARGIN }));
  const parts = [`M${points[0].x} ${points[0].y}`];
  for (let index = 1; index < points.length; index++) {
    const [before, after] = [points[index - 1], points[index]];
    const middle = (before.x + after.x) / 2;
    parts.push(`C${middle} ${before.y} ${middle} ${after.y} ${after.x} ${after.y}`);
  }
  return parts.join('');
}

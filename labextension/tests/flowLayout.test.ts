import { layOut } from '../src/drawing/flowLayout';
import type { IFlowLayout } from '../src/drawing/flowLayout';

const SIZES = { nodeWidth: 100, nodeHeight: 40, layerGap: 20, rowGap: 10 };

function edges(text: string): [string, string][] {
  return text
    .split(' ')
    .filter(Boolean)
    .map(edge => edge.split('>') as [string, string]);
}

function columns(layout: IFlowLayout): Record<string, number> {
  return Object.fromEntries(
    [...layout.nodes].map(([id, place]) => [id, place.x / (SIZES.nodeWidth + SIZES.layerGap)])
  );
}

test('a task stands right of all that it waits for', () => {
  const layout = layOut([...'abcd'], edges('a>b b>c a>c c>d'), SIZES);

  expect(columns(layout)).toEqual({ a: 0, b: 1, c: 2, d: 3 });
  expect(layout.width).toBe(4 * 100 + 3 * 20);
});

test('the arms of a diamond stand above each other, and its ends in their middle', () => {
  const { nodes, height } = layOut([...'abcd'], edges('a>b a>c b>d c>d'), SIZES);

  expect(nodes.get('b')).toEqual({ x: 120, y: 0 });
  expect(nodes.get('c')).toEqual({ x: 120, y: 50 });
  expect(nodes.get('a')).toEqual({ x: 0, y: 25 });
  expect(nodes.get('d')).toEqual({ x: 240, y: 25 });
  expect(height).toBe(90);
});

test('an edge over several columns runs past the boxes between', () => {
  const layout = layOut([...'abc'], edges('a>b b>c a>c'), SIZES);

  const long = layout.routes.find(route => route.from === 'a' && route.to === 'c');
  const middle = layout.nodes.get('b')?.y ?? 0;
  expect(long?.points).toHaveLength(4);
  for (const point of long?.points.slice(1, 3) ?? []) {
    expect(point.y < middle || point.y > middle + SIZES.nodeHeight).toBe(true);
  }
});

test('the height holds the edges that run below the lowest box, and single tasks stand below them', () => {
  // The quickstart: the edges from load to figure and to report run around the three models.
  const arms = ['linear', 'forest', 'boosting'];
  const ends = ['figure', 'report'];
  const links = arms.flatMap((arm): [string, string][] => [
    ['load', arm],
    ...ends.map((end): [string, string] => [arm, end])
  ]);
  links.push(...ends.map((end): [string, string] => ['load', end]));
  const ids = ['load', ...arms, ...ends];

  const { nodes, routes, height } = layOut(ids, links, SIZES);
  const withSingle = layOut([...ids, 'single'], links, SIZES);

  const ys = routes.flatMap(route => route.points.map(point => point.y));
  const lowestBox = Math.max(...[...nodes.values()].map(({ y }) => y + SIZES.nodeHeight));
  expect(Math.min(...ys)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...ys)).toBeGreaterThan(lowestBox);
  expect(height).toBeGreaterThan(Math.max(...ys));
  expect(withSingle.nodes.get('single')?.y).toBe(height + SIZES.rowGap);
});

test('an order without crossings is found', () => {
  const layout = layOut([...'abcxyz'], edges('a>z b>y c>x'), SIZES);

  const height = (id: string): number => layout.nodes.get(id)?.y ?? 0;
  expect([height('a'), height('b'), height('c')]).toEqual([height('z'), height('y'), height('x')]);
});

test.each([
  ['a cycle', 'a>b b>c c>a'],
  ['an edge to itself', 'a>a b>c'],
  ['an edge to what is not there', 'a>q q>b'],
  ['the same edge twice', 'a>b a>b b>c']
])('%s does no harm', (_, text) => {
  const layout = layOut([...'abc'], edges(text), SIZES);

  expect([...layout.nodes.keys()].sort()).toEqual(['a', 'b', 'c']);
  expectNoOverlap(layout);
});

test('nothing gives an empty layout', () => {
  expect(layOut([], [], SIZES)).toEqual({ nodes: new Map(), routes: [], width: 0, height: 0 });
});

test('tasks without an edge stand in rows below the graph', () => {
  const { nodes } = layOut([...'abuvwxyz'], edges('a>b'), SIZES);

  expect(nodes.get('u')).toEqual({ x: 0, y: 50 });
  expect(nodes.get('x')).toEqual({ x: 360, y: 50 });
  expect(nodes.get('y')).toEqual({ x: 0, y: 100 });
});

test('a thousand tasks in a random graph do not overlap', () => {
  const ids = Array.from({ length: 1000 }, (_, index) => `t${index}`);
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const links = ids.slice(1).flatMap((id, index): [string, string][] => [
    [ids[random(index + 1)], id],
    [ids[random(index + 1)], id]
  ]);

  const layout = layOut(ids, links, SIZES);

  expect(layout.nodes.size).toBe(1000);
  expectNoOverlap(layout);
  for (const { from, to, points } of layout.routes) {
    expect(points[0].x).toBe((layout.nodes.get(from)?.x ?? 0) + SIZES.nodeWidth);
    expect(points[points.length - 1].x).toBe(layout.nodes.get(to)?.x);
  }
});

function expectNoOverlap(layout: IFlowLayout): void {
  const byColumn = new Map<number, number[]>();
  for (const { x, y } of layout.nodes.values()) {
    byColumn.set(x, [...(byColumn.get(x) ?? []), y]);
  }
  for (const tops of byColumn.values()) {
    tops.sort((a, b) => a - b);
    for (let index = 1; index < tops.length; index++) {
      expect(tops[index] - tops[index - 1]).toBeGreaterThanOrEqual(SIZES.nodeHeight);
    }
  }
}

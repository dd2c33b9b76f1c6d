/**
 * Places the tasks of a flow from left to right.
 *
 * Layered layout after Sugiyama: longest-path layers, edges over several layers cut by bends, barycentre sweeps that keep
 * the order with the fewest crossings, then places that pull each node towards its neighbours. Tasks without any edge
 * stand in rows below. Cost: O(sweeps * (nodes + edges) log nodes), a few milliseconds for a thousand tasks.
 */

/** Sizes in pixels. */
export interface ILayoutSizes {
  readonly nodeWidth: number;
  readonly nodeHeight: number;
  readonly layerGap: number;
  readonly rowGap: number;
}

/** Where a node's box begins. */
export interface IPoint {
  readonly x: number;
  readonly y: number;
}

/** An edge as the points that it runs through, from the right side of one box to the left side of another. */
export interface IRoute {
  readonly from: string;
  readonly to: string;
  readonly points: readonly IPoint[];
}

/** The places of all nodes and edges. */
export interface IFlowLayout {
  readonly nodes: ReadonlyMap<string, IPoint>;
  readonly routes: readonly IRoute[];
  readonly width: number;
  readonly height: number;
}

type Edge = readonly [string, string];

/** A task, or a bend of an edge in a layer that the edge passes. */
interface IPlace {
  readonly id: string | null;
  readonly layer: number;
  readonly left: IPlace[];
  readonly right: IPlace[];
  /** Place in the order of its layer. */
  order: number;
  /** Centre, in pixels. */
  y: number;
}

const SWEEPS = 8;
const BEND_HEIGHT = 10;

/**
 * Lay out a graph.
 *
 * @param ids - the tasks, in the order that ties keep
 * @param edges - from, to; what names no task, goes to itself, is there twice or closes a cycle is left out
 */
export function layOut(
  ids: readonly string[],
  edges: readonly Edge[],
  sizes: ILayoutSizes
): IFlowLayout {
  const known = knownEdges(ids, edges);
  const { layers: layerOf, edges: kept } = longestPaths(ids, known);
  const linked = new Set(kept.flat());
  const { layers, chains } = buildPlaces(ids, kept, layerOf, linked);
  orderPlaces(layers);
  const linkedHeight = spreadPlaces(layers, sizes);

  const nodes = new Map<string, IPoint>();
  for (const place of layers.flat()) {
    if (place.id !== null) {
      nodes.set(place.id, {
        x: place.layer * (sizes.nodeWidth + sizes.layerGap),
        y: Math.round(place.y - sizes.nodeHeight / 2)
      });
    }
  }
  const single = ids.filter(id => !linked.has(id));
  const singlesTop = linkedHeight === 0 ? 0 : linkedHeight + sizes.rowGap;
  placeSingles(single, singlesTop, Math.max(layers.length, 4), nodes, sizes);
  const corners = [...nodes.values()];
  return {
    nodes,
    routes: chains.map(chain => route(chain, sizes)),
    width: Math.max(0, ...corners.map(corner => corner.x + sizes.nodeWidth)),
    height: Math.max(linkedHeight, ...corners.map(corner => corner.y + sizes.nodeHeight))
  };
}

/** Count the pairs of edges that cross between neighbouring layers, for an order of the places in each layer. */
function countCrossings(layers: readonly (readonly IPlace[])[]): number {
  let crossings = 0;
  for (const layer of layers) {
    // Right ends in the order of their left ends: each inversion is a crossing (insertion into a sorted list).
    const seen: number[] = [];
    for (const place of layer) {
      const ends = place.right.map(end => end.order).sort((a, b) => a - b);
      for (const end of ends) {
        crossings += seen.length - upperBound(seen, end);
      }
      for (const end of ends) {
        seen.splice(upperBound(seen, end), 0, end);
      }
    }
  }
  return crossings;
}

function upperBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function knownEdges(ids: readonly string[], edges: readonly Edge[]): Edge[] {
  const known = new Set(ids);
  const seen = new Set<string>();
  return edges.filter(([from, to]) => {
    const key = `${from}\n${to}`;
    const isNew = from !== to && known.has(from) && known.has(to) && !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

/** Give each task the length of the longest path that leads to it, and the edges without those that close a cycle. */
function longestPaths(
  ids: readonly string[],
  edges: readonly Edge[]
): { layers: Map<string, number>; edges: Edge[] } {
  const targets = new Map<string, string[]>(ids.map(id => [id, []]));
  const waiting = new Map<string, number>(ids.map(id => [id, 0]));
  for (const [from, to] of edges) {
    targets.get(from)?.push(to);
    waiting.set(to, (waiting.get(to) ?? 0) + 1);
  }
  const layers = new Map<string, number>();
  const ready = ids.filter(id => waiting.get(id) === 0);
  for (const id of ready) {
    const layer = layers.get(id) ?? 0;
    layers.set(id, layer);
    for (const target of targets.get(id) ?? []) {
      layers.set(target, Math.max(layers.get(target) ?? 0, layer + 1));
      const left = (waiting.get(target) ?? 0) - 1;
      waiting.set(target, left);
      if (left === 0) {
        ready.push(target);
      }
    }
  }
  // What is left waiting is in a cycle or behind one: stored data may hold one, our own graphs never do.
  const done = new Set(ready);
  const kept = edges.filter(([from, to]) => done.has(from) && done.has(to));
  return { layers, edges: kept };
}

function buildPlaces(
  ids: readonly string[],
  edges: readonly Edge[],
  layerOf: ReadonlyMap<string, number>,
  linked: ReadonlySet<string>
): { layers: IPlace[][]; chains: IPlace[][] } {
  const layers: IPlace[][] = [];
  const add = (id: string | null, layer: number): IPlace => {
    while (layers.length <= layer) {
      layers.push([]);
    }
    const place = { id, layer, left: [], right: [], order: layers[layer].length, y: 0 };
    layers[layer].push(place);
    return place;
  };
  const places = new Map<string, IPlace>();
  ids.filter(id => linked.has(id)).forEach(id => places.set(id, add(id, layerOf.get(id) ?? 0)));
  const chains: IPlace[][] = [];
  for (const [from, to] of edges) {
    const start = places.get(from);
    const end = places.get(to);
    if (start !== undefined && end !== undefined) {
      const chain = [start];
      for (let layer = start.layer + 1; layer < end.layer; layer++) {
        chain.push(add(null, layer));
      }
      chain.push(end);
      chain.slice(1).forEach((place, index) => {
        chain[index].right.push(place);
        place.left.push(chain[index]);
      });
      chains.push(chain);
    }
  }
  return { layers, chains };
}

function orderPlaces(layers: IPlace[][]): void {
  let best = layers.map(layer => [...layer]);
  let fewest = countCrossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const rightwards = sweep % 2 === 0;
    const pass = rightwards ? layers : [...layers].reverse();
    for (const layer of pass) {
      const weight = new Map(
        layer.map(place => [place, barycentre(place, rightwards ? place.left : place.right)])
      );
      layer.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0));
      number(layer);
    }
    const crossings = countCrossings(layers);
    if (crossings < fewest) {
      fewest = crossings;
      best = layers.map(layer => [...layer]);
    }
  }
  best.forEach((layer, index) => {
    layers[index] = layer;
    number(layer);
  });
}

function number(layer: readonly IPlace[]): void {
  layer.forEach((place, order) => (place.order = order));
}

function barycentre(place: IPlace, neighbours: readonly IPlace[]): number {
  return neighbours.length === 0
    ? place.order
    : neighbours.reduce((sum, neighbour) => sum + neighbour.order, 0) / neighbours.length;
}

/**
 * Give all places their centres: as near to their neighbours as the order and the gaps allow. Returns the height that
 * the boxes and the bends take together.
 */
function spreadPlaces(layers: readonly IPlace[][], sizes: ILayoutSizes): number {
  const height = (place: IPlace): number => (place.id === null ? BEND_HEIGHT : sizes.nodeHeight);
  const gap = (a: IPlace, b: IPlace): number => (height(a) + height(b)) / 2 + sizes.rowGap;
  for (const layer of layers) {
    layer.forEach((place, index) => {
      place.y = index === 0 ? height(place) / 2 : layer[index - 1].y + gap(layer[index - 1], place);
    });
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const rightwards = sweep % 2 === 0;
    for (const layer of rightwards ? layers : [...layers].reverse()) {
      const wanted = layer.map(place => {
        const side = rightwards ? place.left : place.right;
        const near = side.length > 0 ? side : rightwards ? place.right : place.left;
        return near.length === 0 ? place.y : near.reduce((sum, p) => sum + p.y, 0) / near.length;
      });
      settle(layer, wanted, gap);
    }
  }
  const places = layers.flat();
  const top = Math.min(...places.map(place => place.y - height(place) / 2));
  places.forEach(place => (place.y -= top));
  return Math.ceil(Math.max(0, ...places.map(place => place.y + height(place) / 2)));
}

/**
 * Move the places of a layer as near to the wanted centres as the gaps allow: the least sum of squares, by pooling
 * neighbours that want the same room (isotonic regression).
 */
function settle(
  layer: readonly IPlace[],
  wanted: readonly number[],
  gap: (a: IPlace, b: IPlace) => number
): void {
  const offsets: number[] = [];
  layer.forEach((place, index) =>
    offsets.push(index === 0 ? 0 : offsets[index - 1] + gap(layer[index - 1], place))
  );
  const pools: { sum: number; count: number }[] = [];
  wanted.forEach((value, index) => {
    let pool = { sum: value - offsets[index], count: 1 };
    let last = pools.at(-1);
    while (last !== undefined && last.sum / last.count >= pool.sum / pool.count) {
      pool = { sum: last.sum + pool.sum, count: last.count + pool.count };
      pools.pop();
      last = pools.at(-1);
    }
    pools.push(pool);
  });
  let index = 0;
  for (const pool of pools) {
    for (let i = 0; i < pool.count; i++, index++) {
      layer[index].y = pool.sum / pool.count + offsets[index];
    }
  }
}

function placeSingles(
  ids: readonly string[],
  top: number,
  columns: number,
  nodes: Map<string, IPoint>,
  sizes: ILayoutSizes
): void {
  ids.forEach((id, index) => {
    nodes.set(id, {
      x: (index % columns) * (sizes.nodeWidth + sizes.layerGap),
      y: top + Math.floor(index / columns) * (sizes.nodeHeight + sizes.rowGap)
    });
  });
}

function route(chain: readonly IPlace[], sizes: ILayoutSizes): IRoute {
  const step = sizes.nodeWidth + sizes.layerGap;
  const points: IPoint[] = [];
  chain.forEach((place, index) => {
    const left = { x: place.layer * step, y: Math.round(place.y) };
    const right = { x: left.x + sizes.nodeWidth, y: left.y };
    // An edge leaves its first box on the right, enters its last on the left, and runs straight past the others.
    points.push(...(index === 0 ? [right] : index === chain.length - 1 ? [left] : [left, right]));
  });
  return { from: chain[0].id ?? '', to: chain[chain.length - 1].id ?? '', points };
}

/** One request to our part of the server, and its errors. */

import { ApiError, NO_SERVER_EXTENSION, NoAnswer } from './apiError';
import { clock } from './drawing/clock';
import { readFields, readList, readTextOrNull } from './schemas';

const API = 'orchestra/api/v1';

/** How the server is reached: `labSettings.ts` has JupyterLab's, `pages/standalone/pageSettings.ts` those of a page alone. */
export interface IServerSettings {
  /** With a slash at its end. */
  readonly baseUrl: string;
  readonly wsUrl: string;
  /** That of the reader, as a BCP 47 tag. */
  readonly language: string;
  /** Sent in the address of websockets, where `appendToken` says so; may be empty. */
  readonly token: string;
  readonly appendToken?: boolean;
  readonly WebSocket: typeof WebSocket;
  /** Send one request, with what the server asks for against forgery. */
  readonly send: (url: string, init: RequestInit) => Promise<Response>;
}

/** Query name to value; null leaves it out. */
export type Query = Readonly<Record<string, string | number | null>>;

/** What the API knows to do with a path. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Give the full URL of a path of the API, its segments encoded. */
export function apiUrl(base: string, path: readonly string[], query: Query = {}): string {
  const segments = path.map(segment => encodeURIComponent(segment));
  const entries = Object.entries(query).filter(([, value]) => value !== null);
  const search = new URLSearchParams(entries.map(([name, value]) => [name, String(value)]));
  const end = entries.length === 0 ? '' : `?${search}`;
  return [base.replace(/\/+$/, ''), API, ...segments].join('/') + end;
}

/** An answer, and how it is told from that of another time. */
export interface ITaggedAnswer {
  /** What its JSON says. */
  readonly body: unknown;
  /** For `If-Match` of a change; null where the server says none. */
  readonly etag: string | null;
}

/**
 * Send one request and give the JSON of its answer.
 *
 * @param sent - JSON
 * @throws ApiError - the server answered with an error
 * @throws NoAnswer - there was none
 */
export async function request(
  settings: IServerSettings,
  method: Method,
  path: readonly string[],
  query: Query = {},
  sent: string | null = null
): Promise<unknown> {
  return (await requestTagged(settings, method, path, query, sent)).body;
}

/**
 * Do as `request`, and give the ETag, too.
 *
 * @param match - the ETag that what is changed is to have; null for any
 * @throws ApiError - also with the status 412, where it has another one
 */
export async function requestTagged(
  settings: IServerSettings,
  method: Method,
  path: readonly string[],
  query: Query,
  sent: string | null,
  match: string | null = null
): Promise<ITaggedAnswer> {
  const url = apiUrl(settings.baseUrl, path, query);
  const condition = match === null ? {} : { headers: { 'If-Match': match } };
  const response = await send(settings, url, { method, body: sent, ...condition });
  clock.learn(response.headers.get('Date'));
  const body = await readJson(response);
  if (response.ok) {
    // a proxy that compresses answers makes it a weak one, which fits nothing
    return { body, etag: response.headers.get('ETag')?.replace(/^W\//, '') ?? null };
  }
  const asked = `${method} ${path.join('/')}`;
  const problem = readFields(body);
  const code = readTextOrNull(problem?.code);
  if (response.status === 404 && code === null) {
    throw new ApiError(
      'This server has no Orchestra extension.',
      404,
      NO_SERVER_EXTENSION,
      new Map(),
      asked
    );
  }
  const detail = readTextOrNull(problem?.detail) ?? readTextOrNull(problem?.message);
  throw new ApiError(
    detail ?? `${response.status} ${response.statusText}`,
    response.status,
    code ?? 'error',
    new Map(readList(problem?.errors, readErrorAt)),
    asked
  );
}

async function send(settings: IServerSettings, url: string, init: RequestInit): Promise<Response> {
  try {
    return await settings.send(url, init);
  } catch (error) {
    // what browsers throw then, and JupyterLab's NetworkError
    throw error instanceof TypeError ? new NoAnswer(error) : error;
  }
}

function readErrorAt(data: unknown): readonly [string, string] | null {
  const fields = readFields(data);
  const pointer = readTextOrNull(fields?.pointer);
  return pointer === null ? null : [pointer, readTextOrNull(fields?.detail) ?? ''];
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** One request to our part of the server, and its errors. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { ApiError, NO_SERVER_EXTENSION } from './apiError';
import { clock } from './drawing/clock';
import { readFields, readTextOrNull } from './schemas';

const API = 'orchestra/api/v1';

/** Query name to value; null leaves it out. */
export type Query = Readonly<Record<string, string | number | null>>;

/** Give the full URL of a path of the API, its segments encoded. */
export function apiUrl(base: string, path: readonly string[], query: Query = {}): string {
  const segments = path.map(segment => encodeURIComponent(segment));
  const entries = Object.entries(query).filter(([, value]) => value !== null);
  const search = new URLSearchParams(entries.map(([name, value]) => [name, String(value)]));
  const end = entries.length === 0 ? '' : `?${search}`;
  return URLExt.join(base, API, ...segments) + end;
}

/**
 * Send one request and give the JSON of its answer.
 *
 * @throws ApiError - the server answered with an error
 * @throws ServerConnection.NetworkError - there was no answer
 */
export async function request(
  settings: ServerConnection.ISettings,
  method: 'GET' | 'POST',
  path: readonly string[],
  query: Query = {}
): Promise<unknown> {
  const url = apiUrl(settings.baseUrl, path, query);
  const response = await ServerConnection.makeRequest(url, { method }, settings);
  clock.learn(response.headers.get('Date'));
  const body = await readJson(response);
  if (response.ok) {
    return body;
  }
  const problem = readFields(body);
  const code = readTextOrNull(problem?.code);
  if (response.status === 404 && code === null) {
    throw new ApiError('This server has no Orchestra extension.', 404, NO_SERVER_EXTENSION);
  }
  const detail = readTextOrNull(problem?.detail) ?? readTextOrNull(problem?.message);
  throw new ApiError(
    detail ?? `${response.status} ${response.statusText}`,
    response.status,
    code ?? 'error'
  );
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** Errors that the server answers with. */

/** The code of the error when the server has no such API at all. */
export const NO_SERVER_EXTENSION = 'no_server_extension';

/** An answer that is an error: the message says what to do, the code is stable. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    /** JSON pointer into the request ("#/parameters/share") to what is wrong there. */
    readonly errors: ReadonlyMap<string, string> = new Map(),
    /** What was asked: the method and the path below the API, empty where that is not known. */
    readonly asked: string = ''
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

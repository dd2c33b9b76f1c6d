/** Errors of requests: those that the server answers with, and that of no answer. */

/** The code of the error when the server has no such API at all. */
export const NO_SERVER_EXTENSION = 'no_server_extension';

/** There was no answer; the message is the browser's own, in its language. */
export class NoAnswer extends Error {
  constructor(reason: Error) {
    super(reason.message);
    this.name = 'NoAnswer';
  }
}

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

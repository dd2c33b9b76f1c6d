/** Errors that the server answers with. */

/** The code of the error when the server has no such API at all. */
export const NO_SERVER_EXTENSION = 'no_server_extension';

/** An answer that is an error: the message says what to do, the code is stable. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

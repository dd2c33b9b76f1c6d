/** Tells of a call that failed: a notification, with all that is known of it one click away. */

import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { createElement } from 'react';

import { ApiError } from './apiError';
import { englishTexts } from './drawing/translation';
import type { ITexts } from './drawing/translation';
import { errorText } from './errorText';

/** JupyterLab cuts what is longer; the details have all of it. */
const MOST_CHARACTERS = 140;

/** What is told of now: text to the id of its notification. */
const told = new Map<string, string>();

/**
 * Tell that something failed, until that is closed; what stands there already is not told twice.
 *
 * @param what - what was to be done, as a sentence ("The run could not be cancelled."); empty where the error says it
 */
export function notifyFailure(texts: ITexts | null, what: string, error: unknown): void {
  const words = texts ?? englishTexts;
  const said = [what, errorText(error, words)].filter(part => part !== '').join(' ');
  const text = said.length > MOST_CHARACTERS ? `${said.slice(0, MOST_CHARACTERS - 1)}…` : said;
  const known = told.get(text);
  if (known !== undefined && Notification.manager.has(known)) {
    return;
  }
  const id = Notification.error(text, {
    autoClose: false,
    actions: [
      {
        label: words.__('Details'),
        caption: words.__('Show all that is known of this error'),
        callback: () => void showDetails(words, what, error)
      }
    ]
  });
  told.forEach((other, said) => Notification.manager.has(other) || told.delete(said));
  told.set(text, id);
}

/** Tells of something that is tried again and again: a failure once, until it has worked in between. */
export class RepeatedFailure {
  /** @param _what - what was to be done, as a sentence */
  constructor(
    private readonly _texts: ITexts,
    private readonly _what: string
  ) {}

  /** It has failed. That the server did not answer is told where the connection is shown. */
  failed(error: unknown): void {
    const message = error instanceof ApiError ? error.message : '';
    if (message !== '' && message !== this._message) {
      notifyFailure(this._texts, this._what, error);
    }
    this._message = message;
  }

  /** It has worked. */
  worked(): void {
    this._message = '';
  }

  private _message = '';
}

/** Give what is known of an error, a line for each fact. */
export function errorDetails(texts: ITexts, error: unknown): string {
  if (!(error instanceof ApiError)) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const lines = [
    error.message,
    '',
    error.asked !== '' && texts.__('Asked: %1', error.asked),
    texts.__('Status: %1', error.status),
    texts.__('Code: %1', error.code),
    ...[...error.errors].map(([place, detail]) => `${place}: ${detail}`)
  ];
  return lines.filter(line => line !== false).join('\n');
}

async function showDetails(texts: ITexts, what: string, error: unknown): Promise<void> {
  const details = errorDetails(texts, error);
  const body = createElement('pre', { className: 'orc-details', tabIndex: 0 }, details);
  const answer = await showDialog({
    title: what === '' ? texts.__('What went wrong') : what,
    body,
    buttons: [
      Dialog.createButton({ label: texts.__('Copy'), accept: false }),
      Dialog.okButton({ label: texts.__('Close') })
    ],
    defaultButton: 1
  });
  if (answer.button.label === texts.__('Copy')) {
    Clipboard.copyToSystem(details);
  }
}

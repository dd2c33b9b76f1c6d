/** How it stands with the server, in the panel's header, and what to do when it is not well. */

import React from 'react';

import type { ITexts } from '../drawing/translation';
import type { Connection, IRunsModel } from '../tokens';

/** One word in the header. */
export function ConnectionState(props: {
  connection: Connection;
  texts: ITexts;
}): React.JSX.Element {
  return (
    <span className="orc-connection" data-connection={props.connection} role="status">
      {connectionWord(props.connection, props.texts)}
    </span>
  );
}

/** A sentence and a button where the reader can do something. */
export function ConnectionNote(props: {
  runs: IRunsModel;
  texts: ITexts;
}): React.JSX.Element | null {
  const { runs, texts } = props;
  const text = noteText(runs, texts);
  if (text === '') {
    return null;
  }
  return (
    <div className="orc-notice">
      <p>{text}</p>
      <button type="button" className="orc-button" onClick={() => runs.reconnect()}>
        {texts.__('Try again')}
      </button>
    </div>
  );
}

function connectionWord(connection: Connection, texts: ITexts): string {
  switch (connection) {
    case 'connected':
      return texts.__('connected');
    case 'reconnecting':
      return texts.__('reconnecting');
    case 'missing':
      return texts.__('not available');
    case 'refused':
      return texts.__('not allowed');
    case 'connecting':
    case 'idle':
      return texts.__('connecting');
  }
}

function noteText(runs: IRunsModel, texts: ITexts): string {
  switch (runs.connection) {
    case 'missing':
      return texts.__(
        'The server extension orchestra_nb does not run here, so runs cannot be listed. Notebooks show their tasks as they were saved.'
      );
    case 'refused':
      return texts.__('You may not read the runs of this server.');
    case 'reconnecting':
      return runs.trouble;
    default:
      return '';
  }
}

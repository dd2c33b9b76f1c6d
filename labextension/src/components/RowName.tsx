/** A name in a row of the side bar, which is cut in its middle where it has no room: names differ at their ends, too. */

import React from 'react';

/** So many characters at the end are kept. */
const KEPT_END = 7;
/** A shorter name is cut at its end: too little would be left before the mark. */
const LEAST_LENGTH = 2 * KEPT_END;

/** Draws the name; the whole of it is in the page, for whoever copies or hears it. */
export function RowName(props: { name: string; isAlias?: boolean }): React.JSX.Element {
  const { name, isAlias = false } = props;
  const letters = [...name];
  const end = letters.length < LEAST_LENGTH ? '' : letters.slice(-KEPT_END).join('');
  return (
    <span className={isAlias ? 'orc-row-alias' : 'orc-row-name'}>
      <span className="orc-row-name-start">{name.slice(0, name.length - end.length)}</span>
      {end !== '' && <span className="orc-row-name-end">{end}</span>}
    </span>
  );
}

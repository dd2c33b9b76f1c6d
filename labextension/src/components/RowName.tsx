/** A name in a row of the side bar, which is cut in its middle where it has no room. */

import React from 'react';

import { nameParts } from './nameParts';

/** Draws the name; whoever copies or hears it gets it whole, not the two parts that are seen. */
export function RowName(props: { name: string; isAlias?: boolean }): React.JSX.Element {
  const { name, isAlias = false } = props;
  const { start, end } = nameParts(name);
  const className = `orc-row-cut ${isAlias ? 'orc-row-alias' : 'orc-row-name'}`;
  if (end === '') {
    return (
      <span className={className}>
        <span className="orc-row-name-start" dir="auto">
          {start}
        </span>
      </span>
    );
  }
  return (
    <span className={className}>
      <span className="orc-sr-only">{start + end}</span>
      <span className="orc-row-name-start orc-row-name-part" aria-hidden="true">
        {start}
      </span>
      <span className="orc-row-name-end orc-row-name-part" aria-hidden="true">
        {end}
      </span>
    </span>
  );
}

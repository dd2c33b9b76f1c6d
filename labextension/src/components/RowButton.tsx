/** A button in a row of the side bar. */

import type { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';

/** Draws it; Tab leads to it only from its row. */
export function RowButton(props: {
  icon: LabIcon;
  label: string;
  isReachable: boolean;
  onClick: () => void;
}): React.JSX.Element {
  return (
    <button
      type="button"
      className="orc-icon-button"
      title={props.label}
      aria-label={props.label}
      tabIndex={props.isReachable ? 0 : -1}
      onClick={event => {
        event.stopPropagation();
        props.onClick();
      }}
    >
      <props.icon.react tag="span" />
    </button>
  );
}

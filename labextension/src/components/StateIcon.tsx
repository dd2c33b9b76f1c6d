/** A state's icon for React. */

import React from 'react';

import { SHAPES } from '../drawing/icons';
import { stateLook } from '../drawing/states';
import type { ITexts } from '../drawing/translation';

/** Draws the icon of a state, with its word for screen readers and on hover. */
export function StateIcon(props: { state: string; texts: ITexts; id?: string }): React.JSX.Element {
  const look = stateLook(props.state);
  const shape: { line?: string; fill?: string; dashes?: string } = SHAPES[look.icon];
  const word = look.word(props.texts);
  return (
    <span id={props.id} className="orc-state" data-tone={look.tone} title={word}>
      <svg className="orc-icon" viewBox="0 0 16 16" width={14} height={14} aria-hidden="true">
        {shape.fill && <path className="orc-icon-fill" d={shape.fill} />}
        {shape.line && (
          <path className="orc-icon-line" d={shape.line} strokeDasharray={shape.dashes} />
        )}
      </svg>
      <span className="orc-sr-only">{word}</span>
    </span>
  );
}

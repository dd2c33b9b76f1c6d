/** What the rows of the side bar's alerts show. */

import { checkIcon, closeIcon, refreshIcon, textEditorIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { CommandIDs } from '../commands';
import { formatAgo, formatMoment } from '../drawing/durations';
import { OverviewCommandIDs } from '../overview/commandIDs';
import type { IDeadLetter, IUndelivered } from '../overview/records';
import type { IRun } from '../schemas';
import { RowButton } from './RowButton';
import { RowName } from './RowName';
import { StateIcon } from './StateIcon';
import type { IItemProps } from './itemContext';
import { runError } from './rows';

/** Draws a run that failed, and why. */
export function Failed(props: IItemProps<IRun>): React.JSX.Element {
  const { of, context, isReachable, parts } = props;
  const { texts, locale, now } = context;
  const error = runError(of, []);
  return (
    <>
      <StateIcon id={parts.state} state={of.state} texts={texts} />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <RunNames id={parts.name} run={of} />
          {of.ended_at !== null && (
            <span
              id={parts.time}
              className="orc-row-time"
              title={formatMoment(of.ended_at, locale)}
            >
              {formatAgo(of.ended_at, now, texts, locale)}
            </span>
          )}
          <span className="orc-row-actions">
            <RowButton
              icon={textEditorIcon}
              label={texts.__('Show the logs of %1', of.name)}
              isReachable={isReachable}
              onClick={() => context.execute(CommandIDs.openLogs, { runId: of.run_id })}
            />
          </span>
        </span>
        {error !== '' && (
          <span id={parts.error} className="orc-row-error" title={of.message}>
            {error}
          </span>
        )}
      </span>
    </>
  );
}

/** Draws a run that does not start, and what it waits for. */
export function Late(props: IItemProps<IRun>): React.JSX.Element {
  const { of, context, parts } = props;
  return (
    <>
      <StateIcon id={parts.state} state="LATE" texts={context.texts} />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <RunNames id={parts.name} run={of} />
          <span id={parts.time} className="orc-row-time orc-row-mark">
            {context.texts.__('late')}
          </span>
        </span>
        {of.message !== '' && (
          <span id={parts.message} className="orc-row-message" title={of.message}>
            {of.message}
          </span>
        )}
      </span>
    </>
  );
}

function RunNames(props: { id: string; run: IRun }): React.JSX.Element {
  const { id, run } = props;
  const name = run.deployment ?? run.flow_name;
  return (
    <span id={id} className="orc-row-names" title={`${name} · ${run.name}`}>
      <RowName name={name} />
      <RowName name={run.name} isAlias />
    </span>
  );
}

/** Draws a notification that could not be delivered, and why. */
export function Undelivered(props: IItemProps<IUndelivered>): React.JSX.Element {
  const { of, context, isReachable, parts } = props;
  const { texts, locale, now } = context;
  const args = { delivery: of.number };
  return (
    <>
      <StateIcon id={parts.state} state="FAILED" texts={texts} />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <span id={parts.name} className="orc-row-names" title={of.title}>
            <span className="orc-row-name">{texts.__('Not told to %1', of.channel)}</span>
          </span>
          {of.at !== null && (
            <span id={parts.time} className="orc-row-time" title={formatMoment(of.at, locale)}>
              {formatAgo(of.at, now, texts, locale)}
            </span>
          )}
          <span className="orc-row-actions">
            <RowButton
              icon={refreshIcon}
              label={texts.__('Send again to %1', of.channel)}
              isReachable={isReachable}
              onClick={() => context.execute(OverviewCommandIDs.retryDelivery, args)}
            />
            <RowButton
              icon={closeIcon}
              label={texts.__('Do not send to %1', of.channel)}
              isReachable={isReachable}
              onClick={() => context.execute(OverviewCommandIDs.discardDelivery, args)}
            />
          </span>
        </span>
        <span id={parts.message} className="orc-row-message" title={of.title}>
          {of.title}
        </span>
        {of.error !== '' && (
          <span id={parts.error} className="orc-row-error" title={of.error}>
            {of.error}
          </span>
        )}
      </span>
    </>
  );
}

/** Draws how many dead letters there are. */
export function Letters(props: IItemProps<number>): React.JSX.Element {
  const { of, context } = props;
  const { texts } = context;
  return (
    <span className="orc-row-main">
      <span className="orc-row-head">
        <span
          className="orc-row-names"
          title={texts.__('What failed for good, and nobody has decided about')}
        >
          <span className="orc-row-name">
            {texts._n('%1 dead letter to decide about', '%1 dead letters to decide about', of)}
          </span>
        </span>
      </span>
    </span>
  );
}

/** Draws how many rows are below this one. */
export function More(props: IItemProps<number>): React.JSX.Element {
  const { of, context } = props;
  return (
    <span className="orc-row-main">
      <span className="orc-row-head">
        <span className="orc-row-names">
          <span className="orc-row-name">{context.texts.__('%1 more', of)}</span>
        </span>
      </span>
    </span>
  );
}

/** Draws a dead letter. */
export function Letter(props: IItemProps<IDeadLetter>): React.JSX.Element {
  const { of, context, isReachable, parts } = props;
  const { texts, locale, now } = context;
  return (
    <>
      <StateIcon id={parts.state} state={of.endedAs} texts={texts} />
      <span className="orc-row-main">
        <span className="orc-row-head">
          <span id={parts.name} className="orc-row-names" title={`${of.flowName} · ${of.name}`}>
            <RowName name={of.flowName} />
            {of.flowName !== of.name && <RowName name={of.name} isAlias />}
          </span>
          {of.at !== null && (
            <span id={parts.time} className="orc-row-time" title={formatMoment(of.at, locale)}>
              {formatAgo(of.at, now, texts, locale)}
            </span>
          )}
          <span className="orc-row-actions">
            <RowButton
              icon={checkIcon}
              label={texts.__('Discard the dead letter of %1', of.name)}
              isReachable={isReachable}
              onClick={() => context.execute(OverviewCommandIDs.discardLetter, { letter: of.id })}
            />
          </span>
        </span>
        <span id={parts.error} className="orc-row-error" title={of.message}>
          {of.message.trim().split('\n', 1)[0]}
        </span>
      </span>
    </>
  );
}

/** Draws what is wrong, as a whole. */
export function Problem(props: { text: string }): React.JSX.Element {
  return (
    <span className="orc-row-main">
      <span className="orc-row-problem">{props.text}</span>
    </span>
  );
}

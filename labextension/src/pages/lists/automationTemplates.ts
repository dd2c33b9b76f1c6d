/** What an automation can start from. */

import type { ITexts } from '../../drawing/translation';

/** A text to start from. */
export interface IAutomationTemplate {
  readonly label: string;
  readonly text: string;
}

/** Give them; names of deployments and channels are to be written in. */
export function automationTemplates(texts: ITexts): readonly IAutomationTemplate[] {
  return [
    {
      label: texts.__('Tell me when a deployment fails'),
      text: `name: tell-failure
when:
  deployment: DEPLOYMENT
  state: [failed, crashed, timed_out]
do:
  - notify: CHANNEL
    severity: failure
`
    },
    {
      label: texts.__('Run one deployment after another'),
      text: `name: run-after
when:
  success: FIRST
do:
  - run: SECOND
`
    },
    {
      label: texts.__('Tell me when nothing ran for 24 hours'),
      text: `name: nothing-ran
when:
  absent: {success: DEPLOYMENT}
  within: 24h
do:
  - notify: CHANNEL
    severity: warning
    title: No run for 24 hours
`
    }
  ];
}

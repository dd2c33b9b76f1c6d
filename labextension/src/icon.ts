/** Our icons in JupyterLab: of the side bar and our tabs, and of commands. */

import { LabIcon } from '@jupyterlab/ui-components';

const ORCHESTRA = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M5.5 11h5l6.5-6v2.7L12 12l5 4.3V19l-6.5-6h-5z"/>
    <circle cx="5" cy="12" r="3"/>
    <circle cx="18.5" cy="5.5" r="3"/>
    <circle cx="18.5" cy="18.5" r="3"/>
  </g>
</svg>`;

/** One task that two others wait for. */
export const orchestraIcon = new LabIcon({ name: 'orchestra-nb:orchestra', svgstr: ORCHESTRA });

const SCHEDULE = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16z"/>
    <path d="M11 6.5h2v5l3.6 3.6-1.4 1.4-4.2-4.2z"/>
  </g>
</svg>`;

/** A clock. */
export const scheduleIcon = new LabIcon({ name: 'orchestra-nb:schedule', svgstr: SCHEDULE });

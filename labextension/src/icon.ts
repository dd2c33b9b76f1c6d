/** The icon of the side bar and of our tabs. */

import { LabIcon } from '@jupyterlab/ui-components';

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M5.5 11h5l6.5-6v2.7L12 12l5 4.3V19l-6.5-6h-5z"/>
    <circle cx="5" cy="12" r="3"/>
    <circle cx="18.5" cy="5.5" r="3"/>
    <circle cx="18.5" cy="18.5" r="3"/>
  </g>
</svg>`;

/** One task that two others wait for. */
export const orchestraIcon = new LabIcon({ name: 'orchestra-nb:orchestra', svgstr: SVG });

/** Adds the card of the launcher, and the entry of the palette, that make a notebook which is a flow. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { orchestraIcon } from '../icon';
import { NEW_FLOW_NOTEBOOK, addFlowNotebook } from '../flowNotebook';

/** Behind the kernels. */
const RANK = 100;

/** The icon in a blue that can be seen on the cards of both themes. */
const ICON_URL = `data:image/svg+xml,${encodeURIComponent(
  orchestraIcon.svgstr.replace('fill="#616161"', 'fill="#1976d2"')
)}`;

export const flowNotebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'orchestra-nb:flow-notebook',
  description: 'Makes notebooks that are flows, from the launcher and the palette.',
  autoStart: true,
  requires: [IDocumentManager],
  optional: [IFileBrowserFactory, ILauncher, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    documents: IDocumentManager,
    browsers: IFileBrowserFactory | null,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('orchestra_nb');
    addFlowNotebook({ app, documents, browsers, trans });
    launcher?.add({
      command: NEW_FLOW_NOTEBOOK,
      // JupyterLab's own section, which is not translated here
      category: (translator ?? nullTranslator).load('jupyterlab').__('Notebook'),
      // cards of this section show an image, or else a letter
      kernelIconUrl: ICON_URL,
      rank: RANK
    });
    palette?.addItem({
      command: NEW_FLOW_NOTEBOOK,
      category: trans.__('Orchestra'),
      args: { isPalette: true }
    });
  }
};

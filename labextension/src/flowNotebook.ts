/** The command that makes a notebook which is a flow already: parameters, two tasks, and a cell that reads what they give. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { INotebookContent } from '@jupyterlab/nbformat';
import type { KernelSpec } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import { orchestraIcon } from './icon';
import { notifyFailure } from './notify';
import { readFields, readTextOrNull } from './schemas';

/** The id of the command. */
export const NEW_FLOW_NOTEBOOK = 'orchestra:new-flow-notebook';

/** What the command needs. */
export interface IFlowNotebookOptions {
  readonly app: JupyterFrontEnd;
  readonly documents: IDocumentManager;
  /** Null where there is no file browser. */
  readonly browsers: IFileBrowserFactory | null;
  readonly trans: TranslationBundle;
}

/** Add the command. */
export function addFlowNotebook(options: IFlowNotebookOptions): void {
  const { app, trans } = options;
  app.commands.addCommand(NEW_FLOW_NOTEBOOK, {
    label: args =>
      readFields(args)?.isPalette === true
        ? trans.__('New Flow Notebook')
        : trans.__('Flow Notebook'),
    caption: trans.__('Make a notebook with parameters and task cells, to be run as a flow'),
    icon: orchestraIcon,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          cwd: { type: 'string', description: 'The folder; that of the file browser without it' },
          isPalette: { type: 'boolean', description: 'Whether it stands in the palette' }
        }
      }
    },
    execute: async args => {
      try {
        return await makeNotebook(options, readTextOrNull(readFields(args)?.cwd));
      } catch (error) {
        notifyFailure(trans, trans.__('The notebook could not be made.'), error);
        return undefined;
      }
    }
  });
}

/** Give the notebook's content; its kernel is the one with this specification, or any where there is none. */
export function flowNotebook(
  trans: TranslationBundle,
  kernel: { readonly name: string; readonly display_name: string } | null
): INotebookContent {
  const code = (id: string, source: string, tags?: string[]) => ({
    cell_type: 'code',
    id,
    metadata: tags === undefined ? {} : { tags },
    execution_count: null,
    outputs: [],
    source
  });
  const lines = [
    trans.__('# A flow'),
    '',
    trans.__(
      'The cells below are tasks: they run on a cluster, and their state is shown under them. Choose *Run → Run All Cells* to try them, or *Run as Flow…* in the *Run* menu to run the whole notebook in the background, with other parameters.'
    )
  ];
  return {
    cells: [
      { cell_type: 'markdown', id: 'about', metadata: {}, source: lines.join('\n') },
      code('extension', '%load_ext orchestra_nb'),
      code('parameters', `rows: int = 1000  # ${trans.__('How many numbers to draw')}`, [
        'parameters'
      ]),
      code(
        'load',
        '%%task load\nimport random\n\nnumbers = [random.gauss(0, 1) for _ in range(rows)]'
      ),
      code('summary', '%%task summary\nimport statistics\n\nmean = statistics.fmean(numbers)'),
      code('result', 'print(f"{rows} numbers, mean {mean:.3f}")')
    ],
    metadata: kernel === null ? {} : { kernelspec: { ...kernel, language: 'python' } },
    nbformat: 4,
    nbformat_minor: 5
  } as INotebookContent;
}

async function makeNotebook(options: IFlowNotebookOptions, folder: string | null) {
  const { app, documents, browsers, trans } = options;
  const { contents, kernelspecs } = app.serviceManager;
  const path = folder ?? browsers?.tracker.currentWidget?.model.path ?? '';
  await kernelspecs.ready;
  const kernel = pythonKernel(kernelspecs.specs);
  const model = await contents.newUntitled({ path, type: 'notebook' });
  await contents.save(model.path, {
    type: 'notebook',
    format: 'json',
    content: flowNotebook(trans, kernel)
  });
  return documents.openOrReveal(
    model.path,
    'default',
    kernel === null ? undefined : { name: kernel.name }
  );
}

/** Give the default kernel where it is one of Python, else any of Python. */
function pythonKernel(
  specs: KernelSpec.ISpecModels | null
): { readonly name: string; readonly display_name: string } | null {
  const found = Object.values(specs?.kernelspecs ?? {}).filter(spec => spec?.language === 'python');
  const spec = found.find(one => one?.name === specs?.default) ?? found[0];
  return spec === undefined ? null : { name: spec.name, display_name: spec.display_name };
}

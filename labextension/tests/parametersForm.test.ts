import { englishTexts } from '../src/drawing/translation';
import { plainField } from '../src/form/fields';
import { ParametersForm } from '../src/form/parametersForm';

function draw(): ParametersForm {
  const field = {
    ...{ name: 'region', label: 'region', kind: 'text' as const, help: '' },
    initial: 'EU'
  };
  const form = new ParametersForm({
    parameters: {
      path: '/sales.ipynb',
      isDeclared: true,
      problem: '',
      fields: [plainField(field)],
      takesOthers: false
    },
    earlier: [
      {
        name: 'calm-fox',
        createdAt: '2026-03-01T08:00:00Z',
        notebookPath: '/sales.ipynb',
        parameters: { region: 'APAC' }
      }
    ],
    trans: englishTexts,
    locale: 'en-GB'
  });
  document.body.replaceChildren(form.node);
  return form;
}

function presets(): HTMLSelectElement {
  return document.querySelector('.orc-run-presets') as HTMLSelectElement;
}

function chosen(): [string, string] {
  const region = document.querySelector<HTMLInputElement>('[name=region]')?.value ?? '';
  return [presets().selectedOptions[0].text, region];
}

function choose(value: string): void {
  presets().value = value;
  presets().dispatchEvent(new Event('change'));
}

test('what a deployment has is what the form starts from, and can be had again', () => {
  const form = draw();
  expect(chosen()).toEqual(['The defaults', 'EU']);

  form.fillDeployed({ region: 'US' });
  expect(chosen()).toEqual(['As deployed', 'US']);

  choose('0');
  expect(chosen()[1]).toBe('APAC');
  choose('');
  expect(chosen()).toEqual(['The defaults', 'EU']);
  choose('begin');
  expect(chosen()).toEqual(['As deployed', 'US']);
});

test('a deployment with no values of its own has the defaults', () => {
  const form = draw();
  form.fillDeployed({ region: 'US' });

  form.fillDeployed(null);

  expect(chosen()).toEqual(['The defaults', 'EU']);
  expect([...presets().options].map(option => option.text)).not.toContain('As deployed');
});

import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { renderPage, type Asked } from '@/test-page';
import { Chips, parseChip } from './chips';

const version = { id: 'v3', number: 3, labels: [{ key: 'stage', value: 'candidate' }], aliases: ['champion'] };
const fine = ({ name }: Asked) => {
  const field = name[0]!.toLowerCase() + name.slice(1);
  return { data: { [field]: { errors: [], version: { id: 'v3' } } } };
};

it.each([
  ['stage=live', { label: { key: 'stage', value: 'live' } }],
  ['a = b=c', { label: { key: 'a', value: 'b=c' } }],
  ['reviewed', { label: { key: 'reviewed', value: '' } }],
  ['@champion', { alias: 'champion' }],
])('%s is understood', (text, meant) => {
  expect(parseChip(text)).toEqual(meant);
});

it.each(['', '@', '=x'])('%s is not', (text) => {
  expect(parseChip(text)).toHaveProperty('wrong');
});

it('a label is set where it stands', async () => {
  const { asked } = renderPage(<Chips modelId="m" version={version} editable />, { answer: fine });
  await userEvent.click(screen.getByLabelText('Add a label or an alias to version 3'));
  await userEvent.type(await screen.findByLabelText('Label or alias'), 'stage=live{Enter}');
  await waitFor(() => expect(asked).toHaveLength(1));
  expect(asked[0]).toMatchObject({
    name: 'SetVersionLabels',
    variables: { input: { versionId: 'v3', labels: [{ key: 'stage', value: 'live' }] } },
  });
});

const held = (number: number | null) => (asked: Asked) =>
  asked.name === 'AliasHolder'
    ? { data: { node: { __typename: 'Model', id: 'm', version: number && { id: 'v', number } } } }
    : fine(asked);

it.each([[null], [3]])('an alias that version %s has is set at once', async (number) => {
  const { asked } = renderPage(<Chips modelId="m" version={version} editable />, { answer: held(number) });
  await userEvent.click(screen.getByLabelText('Add a label or an alias to version 3'));
  await userEvent.type(await screen.findByLabelText('Label or alias'), '@best{Enter}');
  await waitFor(() => expect(asked.map(({ name }) => name)).toEqual(['AliasHolder', 'SetVersionAlias']));
});

it('an alias that another version has is named before it moves', async () => {
  const { asked } = renderPage(<Chips modelId="m" version={version} editable />, { answer: held(1) });
  await userEvent.click(screen.getByLabelText('Add a label or an alias to version 3'));
  const field = await screen.findByLabelText('Label or alias');
  await userEvent.type(field, '@best{Enter}');
  expect(await screen.findByText(/@best moves from version 1 to version 3/)).toBeTruthy();
  // Another name is another question.
  await userEvent.type(field, 't{Enter}');
  expect(await screen.findByText(/@bestt moves from version 1/)).toBeTruthy();
  expect(asked.map(({ name }) => name)).toEqual(['AliasHolder', 'AliasHolder']);
  await userEvent.click(screen.getByRole('button', { name: 'Move alias' }));
  await waitFor(() => expect(asked).toHaveLength(3));
  expect(asked[2]).toMatchObject({ variables: { input: { versionId: 'v3', alias: 'bestt' } } });
});

it('what no name can be is said as one types, and not sent', async () => {
  const { asked } = renderPage(<Chips modelId="m" version={version} editable />, { answer: fine });
  await userEvent.click(screen.getByLabelText('Add a label or an alias to version 3'));
  const field = await screen.findByLabelText('Label or alias');
  await userEvent.type(field, 'st age=x{Enter}');
  expect(screen.getByText(/A label’s key has letters, digits/)).toBeTruthy();
  await userEvent.clear(field);
  await userEvent.type(field, 'stage=live');
  expect(screen.getByText('This replaces stage=candidate, which the version has now.')).toBeTruthy();
  expect(asked).toEqual([]);
});

it('an alias goes after asking once', async () => {
  const { asked } = renderPage(<Chips modelId="m" version={version} editable />, { answer: fine });
  await userEvent.click(screen.getByLabelText('Remove champion'));
  expect(await screen.findByText(/Take @champion off version 3/)).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Leave it' }));
  expect(asked).toEqual([]);
  await userEvent.click(screen.getByLabelText('Remove champion'));
  await userEvent.click(await screen.findByRole('button', { name: 'Remove alias' }));
  expect(asked[0]).toMatchObject({
    name: 'RemoveVersionAlias',
    variables: { input: { modelId: 'm', alias: 'champion' } },
  });
});

it('a label goes after asking once', async () => {
  const { asked } = renderPage(<Chips modelId="m" version={version} editable />, { answer: fine });
  await userEvent.click(screen.getByLabelText('Remove stage=candidate'));
  expect(await screen.findByText(/Take stage=candidate off version 3/)).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Leave it' }));
  expect(asked).toEqual([]);
  await userEvent.click(screen.getByLabelText('Remove stage=candidate'));
  await userEvent.click(await screen.findByRole('button', { name: 'Remove label' }));
  expect(asked[0]).toMatchObject({
    name: 'RemoveVersionLabels',
    variables: { input: { versionId: 'v3', keys: ['stage'] } },
  });
});

it('a refusal is shown with code and hint', async () => {
  const errors = [{ code: 'INVALID_NAME', message: 'No such label.', path: ['labels', '0', 'key'], hint: 'Shorter.' }];
  renderPage(<Chips modelId="m" version={version} editable />, {
    answer: () => ({ data: { removeVersionLabels: { errors, version: null } } }),
  });
  await userEvent.click(screen.getByLabelText('Remove stage=candidate'));
  await userEvent.click(await screen.findByRole('button', { name: 'Remove label' }));
  expect(await screen.findByText('No such label.')).toBeTruthy();
  expect(screen.getByText('INVALID_NAME')).toBeTruthy();
  expect(screen.getByText('Shorter.')).toBeTruthy();
});

it('who only reads sees them and changes nothing', () => {
  renderPage(<Chips modelId="m" version={version} editable={false} />);
  expect(screen.getByText('champion')).toBeTruthy();
  expect(screen.queryAllByRole('button')).toHaveLength(0);
});

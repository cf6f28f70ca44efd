import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { renderPage } from '@/test-page';
import Compare from './compare';

const of = { project: 'shop', model: 'iris', modelId: 'm', editable: true };

function version(number: number, metrics: Record<string, number>) {
  return {
    __typename: 'Version',
    id: `v${number}`,
    number,
    run: { name: `run-${number}` },
    createdAt: '2026-01-01T00:00:00Z',
    aliases: [],
    labels: [],
    endpoints: { nodes: [] },
    metrics: Object.entries(metrics).map(([key, value]) => ({ key, value, text: String(value) })),
    params: [],
    tags: [],
    requirements: [],
    signature: null,
  };
}

function compare(at: string, ...nodes: ReturnType<typeof version>[]) {
  return renderPage(<Compare {...of} />, { at, answer: () => ({ data: { model: { id: 'm', versions: { nodes } } } }) });
}

it('shows unequal values as unequal, exactly on hover, and says where its line does not begin at zero', async () => {
  compare('/?v=1&v=2', version(1, { auc: 0.99991, loss: 5.25 }), version(2, { auc: 0.99996, loss: 5.25 }));
  expect(await screen.findByText('0.99991')).toBeTruthy();
  expect(screen.getByTitle('0.99996').textContent).toBe('0.99996');
  expect(screen.getByText('drawn from 0.99991 to 0.99996, not from 0')).toBeTruthy();
  expect(screen.getAllByText('5.25')).toHaveLength(2);
});

it.each([
  ['/?v=98', 'Choose two to five versions'],
  ['/?v=98&v=99', 'There are no versions 98 and 99'],
  ['/?v=97&v=98&v=99', 'There are no versions 97, 98, and 99'],
])('%s compares nothing, and leads to what can be compared', async (at, title) => {
  compare(at);
  expect(await screen.findByText(title)).toBeTruthy();
  expect(screen.getByRole('link', { name: 'list of versions' })).toBeTruthy();
  expect(screen.queryByRole('table')).toBeNull();
});

it('shows those that there are, and says which is not', async () => {
  compare('/?v=1&v=99', version(1, { auc: 0.5 }));
  expect(await screen.findByText('There is no version 99.')).toBeTruthy();
  expect(screen.getByText('0.5')).toBeTruthy();
});

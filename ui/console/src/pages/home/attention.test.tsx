import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { CombinedError } from 'urql';
import { expect, it } from 'vitest';
import { renderPage, type Asked } from '@/test-page';
import { Attention } from './attention';

const COUNT = 30;

const endpoint = (number: number) => ({
  id: `e${number}`,
  lifecycle: 'FAILED',
  desired: 'DEPLOYED',
  progressing: false,
  healthy: false,
  servingWeight: 0,
  message: '',
  updatedAt: '2026-11-25T10:00:00Z',
  failure: { code: 'MODEL_LOAD_FAILED', message: 'The weights are corrupt.' },
  environment: { id: 'l', name: 'local' },
  version: { id: `v${number}`, number, model: { id: 'm', name: 'iris', project: { id: 'p', name: 'shop' } } },
});

function pageOf(count: number, first: number, after?: string | null) {
  const begin = Number(after ?? 0);
  const end = Math.min(begin + first, count);
  const nodes = Array.from({ length: end - begin }, (_, place) => endpoint(begin + place + 1));
  return { nodes, pageInfo: { hasNextPage: end < count, endCursor: String(end) }, totalCount: count };
}

const answer = ({ name, variables }: Asked) => {
  if (name === 'Attention')
    return { data: { failed: pageOf(COUNT, 8), unhealthy: pageOf(0, 8), underWay: pageOf(0, 8) } };
  const { first, after, filter } = variables as { first: number; after: string; filter: { lifecycle: string[] } };
  return { data: { versionEndpoints: filter.lifecycle[0] === 'FAILED' ? pageOf(COUNT, first, after) : pageOf(0, 8) } };
};

const numbers = () => screen.getAllByRole('link').map((each) => Number(/\d+$/.exec(each.textContent ?? '')));

it('leads a keyboard to every failed endpoint, however many there are', async () => {
  renderPage(<Attention />, { answer });
  expect(await screen.findByText(String(COUNT))).toBeTruthy();
  expect(numbers()).toHaveLength(8);
  screen.getByRole('button', { name: 'Show 20 of 22 more failed' }).focus();
  await userEvent.keyboard('{Enter}');
  expect(document.activeElement).toBe(await screen.findByText('shop/iris version 9'));
  screen.getByRole('button', { name: 'Show 2 more failed' }).focus();
  await userEvent.keyboard('{Enter}');
  expect(document.activeElement).toBe(await screen.findByText('shop/iris version 29'));
  expect(numbers()).toEqual(Array.from({ length: COUNT }, (_, place) => place + 1));
  expect(screen.queryByRole('button')).toBeNull();
});

it('says when it cannot tell what needs attention, unless the page says so already', async () => {
  const error = new CombinedError({ graphQLErrors: ['The database is away.'] });
  const failing = { answer: () => ({ error }) };
  const { unmount } = renderPage(<Attention />, failing);
  expect(await screen.findByText('The database is away.')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
  unmount();
  renderPage(
    <>
      <Attention quiet />
      <p>below</p>
    </>,
    failing,
  );
  expect(await screen.findByText('below')).toBeTruthy();
  expect(screen.queryByText('The database is away.')).toBeNull();
});

import { act, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import Models, { Health, type Model } from './models';

const nothing = { running: 0, pending: 0, failed: 0, progressing: 0, unhealthy: 0 };

it('addresses are in the order of the environments, whichever was made first', () => {
  const address = {
    status: 'SERVING',
    progressing: false,
    message: '',
    failure: null,
  } as Model['endpoints']['nodes'][0];
  const nodes = ['local', 'live', 'test'].map((name) => ({ ...address, id: name, environment: { id: name, name } }));
  renderPage(<Health project="shop" model={{ name: 'iris', endpoints: { nodes }, summary: nothing }} />);
  expect(screen.getAllByText(/^Serving in/).map((each) => each.textContent)).toEqual([
    'Serving in live',
    'Serving in local',
    'Serving in test',
  ]);
});

it.each([
  [{ failed: 2, running: 1 }, ['2 failed', '1 running']],
  [{ pending: 1, progressing: 1 }, ['1 deploying']],
  [{ pending: 1, progressing: 2, unhealthy: 1 }, ['1 unhealthy', '1 deploying', '1 under way']],
  [{}, ['nothing deployed']],
])('%j is told', (summary, words) => {
  renderPage(
    <Health project="shop" model={{ name: 'iris', endpoints: { nodes: [] }, summary: { ...nothing, ...summary } }} />,
  );
  expect(screen.getAllByText(/^(\d+|nothing) /).map((each) => each.textContent)).toEqual(words);
});

it('leads from a count to the endpoints of that model which are so', () => {
  renderPage(
    <Health project="shop" model={{ name: 'iris', endpoints: { nodes: [] }, summary: { ...nothing, failed: 2 } }} />,
  );
  const link = screen.getByRole('link', { name: '2 failed' });
  expect(link.getAttribute('href')).toBe('/projects/shop/endpoints?view=trouble&model=iris');
});

it('asks for models of a type once it is written, since it matches only as a whole', async () => {
  const project = { id: 'p', name: 'shop', labels: [], models: { nodes: [], pageInfo: {}, totalCount: 0 } };
  const { asked, router } = renderPage(<Models />, { answer: () => ({ data: { project } }) });
  const types = () => asked.map(({ variables }) => (variables.filter as { type: string | null }).type);
  const field = screen.getByRole('textbox', { name: 'Type' });
  vi.useFakeTimers({ shouldAdvanceTime: true });
  await userEvent.setup({ advanceTimers: vi.advanceTimersByTime }).type(field, 'mlf');
  act(() => void vi.advanceTimersByTime(1_000));
  vi.useRealTimers();
  await userEvent.type(field, 'low{Enter}');
  await waitFor(() => expect(router.state.location.search).toBe('?type=mlflow'));
  expect(document.activeElement).toBe(field);
  expect(await screen.findByText(/A type is matched as a whole/)).toBeTruthy();
  expect(new Set(types())).toEqual(new Set([null, 'mlflow']));
  await userEvent.clear(field);
  expect(router.state.location.search).toBe('');
  await userEvent.type(field, 'keras');
  await userEvent.tab();
  await waitFor(() => expect(router.state.location.search).toBe('?type=keras'));
});

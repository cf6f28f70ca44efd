import { act, screen } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { renderPage, type Asked } from '@/test-page';
import type { Of } from './endpoint';
import { Pods, usePods } from './pods';

vi.mock('@/graphql/feed', () => ({ listen: () => () => undefined }));

const of = { project: 'p', model: 'm', environment: 'local', reachable: true, endpoint: { id: 'e' } } as unknown as Of;
const away = {
  graphQLErrors: [
    { message: 'It is away.', extensions: { code: 'CLUSTER_UNREACHABLE', hint: 'Wait.', requestId: 'r' } },
  ],
};

function Seen() {
  return <Pods {...usePods(of)} />;
}

it('keeps saying why they cannot be seen while they are asked for again', async () => {
  let told = (_: { data: unknown }) => {};
  const answers: unknown[] = [{ error: away }, new Promise((resolve) => (told = resolve))];
  const answer = ({ name }: Asked) => (name === 'EndpointPods' ? (answers.shift() as object) : {});
  renderPage(<Seen />, { answer });
  const panel = screen.getByRole('alert');
  expect(panel.textContent).toMatch(/It is away\..*Wait\..*CLUSTER_UNREACHABLE · request r/);
  act(() => screen.getByText('Try again').click());
  expect(answers).toHaveLength(0);
  expect(screen.getByText('It is away.')).toBeTruthy();
  await act(async () => told({ data: { node: { id: 'e', pods: [] } } }));
  expect(screen.queryByText('It is away.')).toBeNull();
  expect(screen.getByText('There are no pods.')).toBeTruthy();
});

import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { CombinedError } from 'urql';
import { expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import { useAct } from './act';
import { listen } from './feed';
import { CreateProjectDocument } from './generated';

function Form() {
  const create = useAct(CreateProjectDocument);
  return (
    <>
      <button onClick={() => void create.act({ name: 'x' })}>do</button>
      <p>{create.at('name') ?? 'no problem'}</p>
      <ul>
        {create.problems.map((problem) => (
          <li key={problem.code}>{[problem.code, problem.hint, problem.requestId].join(' ')}</li>
        ))}
      </ul>
    </>
  );
}

it('tells refusals at their fields', async () => {
  const errors = [{ code: 'RESERVED_NAME', message: 'Taken by the platform.', path: ['name'], hint: null }];
  renderPage(<Form />, { answer: () => ({ data: { createProject: { errors, project: null } } }) });
  await userEvent.click(screen.getByText('do'));
  expect(await screen.findByText('Taken by the platform.')).toBeTruthy();
});

it('tells the request of a refusal', async () => {
  const errors = [{ code: 'LIMIT_EXCEEDED', message: 'Too many.', path: [], hint: 'Use fewer.' }];
  renderPage(<Form />, {
    answer: () => ({ data: { createProject: { errors, project: null } }, extensions: { requestId: 'r-7' } }),
  });
  await userEvent.click(screen.getByText('do'));
  expect(await screen.findByText('LIMIT_EXCEEDED Use fewer. r-7')).toBeTruthy();
});

it('repeats an act whose answer was lost, with the same key', async () => {
  let count = 0;
  const { asked } = renderPage(<Form />, {
    answer: () =>
      ++count === 1
        ? { error: new CombinedError({ networkError: new Error('cut') }) }
        : { data: { createProject: { errors: [], project: { id: 'p', name: 'x' } } } },
  });
  await userEvent.click(screen.getByText('do'));
  await waitFor(() => expect(asked).toHaveLength(2));
  const keys = asked.map(({ variables }) => (variables.input as { idempotencyKey: string }).idempotencyKey);
  expect(keys[0]).toBe(keys[1]);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
});

it('gives up after the second loss and says so', async () => {
  renderPage(<Form />, { answer: () => ({ error: new CombinedError({ networkError: new Error('cut') }) }) });
  await userEvent.click(screen.getByText('do'));
  expect(await screen.findByText(/^CONNECTION_LOST Nothing was changed, or you will see it here/)).toBeTruthy();
});

it('has pages read anew when somebody else was first', async () => {
  const missed = vi.fn();
  const ignore = listen({ event: () => undefined, missed });
  const errors = [{ code: 'CONFLICT', message: 'Changed meanwhile.', path: [], hint: null }];
  renderPage(<Form />, { answer: () => ({ data: { createProject: { errors, project: null } } }) });
  await userEvent.click(screen.getByText('do'));
  expect(await screen.findByText(/^CONFLICT/)).toBeTruthy();
  expect(missed).toHaveBeenCalledOnce();
  ignore();
});

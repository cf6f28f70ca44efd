import { fireEvent, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import { ConfirmButton } from './confirm';

const button = (act: () => Promise<boolean>) => (
  <ConfirmButton verb="Delete" title="Delete it?" act={act}>
    It is gone then.
  </ConfirmButton>
);

it('does nothing before it was confirmed, and says what it will do', async () => {
  const act = vi.fn(() => Promise.resolve(true));
  renderPage(button(act));
  await userEvent.click(screen.getByRole('button', { name: 'Delete' }));
  expect(await screen.findByText('It is gone then.')).toBeTruthy();
  expect(act).not.toHaveBeenCalled();
  await userEvent.click(screen.getByRole('button', { name: 'Leave it' }));
  expect(act).not.toHaveBeenCalled();
});

it('closes when it was done, and stays when it was refused', async () => {
  const act = vi.fn<() => Promise<boolean>>().mockResolvedValueOnce(false).mockResolvedValueOnce(true);
  renderPage(button(act));
  await userEvent.click(screen.getByRole('button', { name: 'Delete' }));
  const confirm = () => screen.getAllByRole('button', { name: 'Delete' }).at(-1)!;
  await screen.findByRole('dialog');
  await userEvent.click(confirm());
  expect(screen.getByRole('dialog')).toBeTruthy();
  await userEvent.click(confirm());
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(act).toHaveBeenCalledTimes(2);
});

it('does what was read when it was opened, whatever the page says by now', async () => {
  const done: number[] = [];
  function Counting() {
    const [count, setCount] = useState(5);
    const act = () => Promise.resolve(done.push(count) > 0);
    return (
      <>
        <button onClick={() => setCount(6)}>somebody else</button>
        <ConfirmButton verb="Cancel" title={`Cancel ${count}?`} act={act}>
          It is {count}.
        </ConfirmButton>
      </>
    );
  }
  renderPage(<Counting />);
  const others = screen.getByText('somebody else');
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await screen.findByText('It is 5.');
  fireEvent.click(others);
  expect(screen.getByText('Cancel 5?')).toBeTruthy();
  expect(screen.getByText('It is 5.')).toBeTruthy();
  await userEvent.click(screen.getAllByRole('button', { name: 'Cancel' }).at(-1)!);
  await waitFor(() => expect(done).toEqual([5]));
});

it('forgets what was refused before it was opened again', async () => {
  const problems = [{ code: 'IN_USE', message: 'Something runs. Stop it first.', hint: 'Stop it first.' }];
  renderPage(
    <ConfirmButton verb="Delete" title="Delete it?" act={() => Promise.resolve(false)} problems={problems}>
      It is gone then.
    </ConfirmButton>,
  );
  await userEvent.click(screen.getByRole('button', { name: 'Delete' }));
  expect(screen.queryByText('IN_USE')).toBeNull();
  await userEvent.click(screen.getAllByRole('button', { name: 'Delete' }).at(-1)!);
  expect(await screen.findByText('IN_USE')).toBeTruthy();
  expect(screen.queryByText('Stop it first.')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Leave it' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await userEvent.click(screen.getByRole('button', { name: 'Delete' }));
  await screen.findByRole('dialog');
  expect(screen.queryByText('IN_USE')).toBeNull();
});

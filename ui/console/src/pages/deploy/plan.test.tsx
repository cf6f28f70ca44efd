import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import { Plan } from './plan';

const plan: NonNullable<Parameters<typeof Plan>[0]['plan']> = {
  revisionNumber: 4,
  serviceName: 'iris-1-r4',
  makesPods: true,
  changes: [
    {
      action: 'UPDATE',
      apiVersion: 'v1',
      kind: 'Service',
      name: 'iris-1',
      namespace: 'shop',
      fields: [{ path: 'spec.selector.app', before: 'r3', after: 'r4' }],
    },
    { action: 'DELETE', apiVersion: 'v1', kind: 'Secret', name: 'iris-1-r3', namespace: 'shop', fields: [] },
  ],
};

it('shows object by object and field by field what changes', () => {
  renderPage(
    <Plan
      plan={plan}
      meanwhile="; what runs now answers"
      stale={false}
      waits={false}
      refused={false}
      problem={undefined}
      again={() => {}}
    />,
  );
  expect(screen.getByText('Revision 4').parentElement?.textContent).toContain('pods of its own; what runs now answers');
  const fields = screen.getByRole('table', { name: 'Fields of Service iris-1' });
  expect(within(fields).getByText('r4')).toBeTruthy();
  expect(screen.getByText('Removed')).toBeTruthy();
});

it('waits while a field is wrong, and says that a refused deploy has none', () => {
  const { unmount } = renderPage(
    <Plan plan={undefined} meanwhile="" stale waits refused={false} problem={undefined} again={() => {}} />,
  );
  expect(screen.getByText('It is made once every field is good.')).toBeTruthy();
  unmount();
  renderPage(
    <Plan plan={undefined} meanwhile="" stale={false} waits={false} refused problem={undefined} again={() => {}} />,
  );
  expect(screen.getByText('There is none: what is wrong stands at its field or below.')).toBeTruthy();
});

it('shows all of what it could not be made for, and can be asked for again', async () => {
  const again = vi.fn();
  const problem = { code: 'CLUSTER_UNREACHABLE', message: 'It is away.', hint: 'Wait.', requestId: 'r1' };
  renderPage(
    <Plan plan={undefined} meanwhile="" stale={false} waits={false} refused problem={problem} again={again} />,
  );
  expect(screen.getByRole('alert').textContent).toMatch(/It is away\..*Wait\..*CLUSTER_UNREACHABLE · request r1/);
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(again).toHaveBeenCalledOnce();
  expect(screen.queryByText(/There is none/)).toBeNull();
});

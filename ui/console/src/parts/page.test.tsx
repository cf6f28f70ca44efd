import { fireEvent, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { expect, it } from 'vitest';
import { renderPage } from '@/test-page';
import { ConfirmButton } from './confirm';
import { Page } from './page';

function Endpoint() {
  const [runs, setRuns] = useState(true);
  const undeploy = (
    <ConfirmButton verb="Undeploy" title="Undeploy it?" act={() => Promise.resolve(true)}>
      Its pods are removed.
    </ConfirmButton>
  );
  return (
    <>
      <Page title="Version 1 in local" acts={runs && undeploy}>
        It runs.
      </Page>
      <button onClick={() => setRuns(false)}>The event comes</button>
    </>
  );
}

it.each(['before', 'after'])(
  'keeps the keyboard when an act takes its button away, %s its dialog has gone',
  async (when) => {
    renderPage(<Endpoint />);
    const event = screen.getByText('The event comes');
    await userEvent.click(screen.getByRole('button', { name: 'Undeploy' }));
    await screen.findByRole('dialog');
    if (when === 'before') fireEvent.click(event);
    else {
      await userEvent.click(screen.getAllByRole('button', { name: 'Undeploy' }).at(-1)!);
      await waitFor(() => expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Undeploy' })));
      fireEvent.click(event);
    }
    expect(screen.queryByRole('button', { name: 'Undeploy' })).toBeNull();
    expect(document.activeElement).toBe(screen.getByRole('heading', { level: 1 }));
  },
);

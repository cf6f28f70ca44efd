import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import type { Of } from './endpoint';
import type { LogLine } from './log-stream';
import Logs from './logs';
import type { Pod } from './pods';

type Sink = { next: (answer: unknown) => void; complete: () => void };

/** A log of 700 lines of the pod a-1, as the API gives its last ones. */
const page = (tail: number) => {
  const lines = Array.from({ length: 700 }, (_, at): LogLine => ({
    cursor: String(at),
    at: '2026-11-24T20:00:00Z',
    pod: 'a-1',
    container: 'c',
    revision: 1,
    text: `line ${at}`,
  }));
  return { data: { logs: { lines: lines.slice(-tail), cursor: '699' } } };
};
vi.mock('@/graphql/socket', () => ({
  socket: {
    subscribe: ({ query, variables }: { query: string; variables: { tail: number } }, sink: Sink) => {
      if (query.startsWith('query'))
        queueMicrotask(() => {
          sink.next(page(variables.tail));
          sink.complete();
        });
      return () => undefined;
    },
  },
}));

const saved: Blob[] = [];
beforeEach(() => {
  saved.length = 0;
  URL.createObjectURL = (blob) => `blob:${saved.push(blob as Blob)}`;
  URL.revokeObjectURL = () => undefined;
  HTMLAnchorElement.prototype.click = () => undefined;
});

const of = {
  project: 'p',
  model: 'm',
  number: 1,
  environment: 'local',
  reachable: true,
  endpoint: { id: 'e', lifecycle: 'RUNNING' },
} as unknown as Of;
const pods = [{ name: 'a-1' }, { name: 'b-2' }] as Pod[];
const shown = (at?: string) => renderPage(<Logs of={of} pods={pods} />, { at });

it('says that only the last lines were read, and reads the older ones when asked', async () => {
  shown();
  await screen.findByText('Following, the last 500 lines');
  expect(screen.queryByText('line 0')).toBeNull();
  await userEvent.click(screen.getByText('Read up to 5,000'));
  await screen.findByText('Following, 700 lines');
  expect(screen.getByText('line 0')).toBeTruthy();
  expect(screen.queryByText(/there may be older ones/)).toBeNull();
  expect(document.activeElement).toBe(screen.getByLabelText('Lines of the log'));
});

it('saves the older lines too', async () => {
  shown();
  await screen.findByText('Following, the last 500 lines');
  await userEvent.click(screen.getByText('Download'));
  await waitFor(() => expect(saved).toHaveLength(1));
  const lines = (await saved[0]!.text()).trim().split('\n');
  expect([lines.length, lines[0]]).toEqual([700, '2026-11-24T20:00:00Z a-1 c line 0']);
});

it('offers each pod that is alive, also while one is chosen', async () => {
  shown('/?pod=a-1');
  await screen.findByText('Following, the last 500 lines');
  await userEvent.click(screen.getByPlaceholderText('All pods'));
  expect(screen.getAllByRole('option').map((each) => each.textContent)).toEqual(['a-1', 'b-2']);
});

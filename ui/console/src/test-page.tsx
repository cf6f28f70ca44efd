// What a component under test stands in: Mantine, an address, and an API that answers what the test says.
import { MantineProvider } from '@mantine/core';
import { render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { createMemoryRouter, RouterProvider } from 'react-router';
import { Client, Provider, type Operation } from 'urql';
import { fromPromise, fromValue, makeSubject, map, mergeMap, pipe } from 'wonka';
import { stringifyDocument } from 'urql';
import { SessionContext } from '@/session/gate';

export type Asked = { name: string; variables: Record<string, unknown> };
type Answer = { data?: unknown; error?: unknown; extensions?: Record<string, unknown> };

const server = { version: '1', mlflowUrl: 'http://mlflow.test', publicUrl: 'http://merlin.test' };

/**
 * Renders at an address, for Ada. `answer` speaks for the API, at once or later; `asked` tells what it was asked, in
 * order.
 */
export function renderPage(
  page: ReactNode,
  {
    at = '/',
    isAdministrator = false,
    answer,
  }: { at?: string; isAdministrator?: boolean; answer?: (asked: Asked) => Answer | Promise<Answer> } = {},
) {
  const asked: Asked[] = [];
  const client = new Client({
    url: 'http://test.invalid/graphql',
    exchanges: [
      () => (operations) =>
        pipe(
          operations,
          mergeMap((operation) => {
            if (operation.kind === 'teardown') return makeSubject<never>().source;
            const one = { name: nameOf(operation), variables: operation.variables as Record<string, unknown> };
            asked.push(one);
            const said = answer?.(one) ?? {};
            return pipe(
              said instanceof Promise ? fromPromise(said) : fromValue(said),
              map((result) => ({ ...result, operation, stale: false, hasNext: false }) as never),
            );
          }),
        ),
    ],
  });
  const router = createMemoryRouter([{ path: '*', element: page }], { initialEntries: [at] });
  const session = { me: { subject: 'ada', isAdministrator }, server, leave: () => undefined };
  const view = render(
    <MantineProvider env="test">
      <SessionContext value={session}>
        <Provider value={client}>
          <RouterProvider router={router} />
        </Provider>
      </SessionContext>
    </MantineProvider>,
  );
  return { ...view, asked, router };
}

function nameOf(operation: Operation): string {
  return /^(?:query|mutation|subscription) (\w+)/.exec(stringifyDocument(operation.query))?.[1] ?? '?';
}

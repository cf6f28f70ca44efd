import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { renderPage } from '@/test-page';
import type { Of } from './endpoint';
import History from './history';

it('says that there is no such revision', () => {
  const of = { project: 'p', model: 'm', endpoint: { id: 'e' } } as unknown as Of;
  const revisions = { nodes: [], totalCount: 0, pageInfo: {} };
  renderPage(<History of={of} />, {
    at: '/?compare=99',
    answer: ({ name }) => ({
      data: { node: { id: 'e', ...(name === 'RevisionDiff' ? { revision: null } : { revisions }) } },
    }),
  });
  expect(screen.getByText('There is no revision 99.')).toBeTruthy();
});

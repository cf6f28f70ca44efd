import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { exactly } from '@/parts/when';
import { renderPage } from '@/test-page';
import { Undeployed } from './undeployed';

const updatedAt = '2026-11-24T20:00:00Z';
const url = 'http://iris-1.test';

it('says when it was undeployed, and which revision was the last that ran', () => {
  // Revision 3 was removed before its pods were ready.
  const nodes = [
    { id: '3', number: 3, activeAt: null },
    { id: '1', number: 1, activeAt: '2026-11-24T18:00:00Z' },
  ];
  const { container } = renderPage(<Undeployed endpoint={{ updatedAt, url, ran: { nodes } }} />);
  expect(container.querySelector('time')?.title).toBe(exactly(updatedAt));
  expect(container.textContent).toContain('revision 1 was the last that ran');
});

it('names no revision when none ever ran', () => {
  renderPage(<Undeployed endpoint={{ updatedAt, url, ran: { nodes: [] } }} />);
  expect(screen.queryByText(/revision/)).toBeNull();
});

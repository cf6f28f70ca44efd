import { screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { renderPage } from '@/test-page';
import { Cause } from './cause';
import type { Endpoint } from './endpoint';

const failure = {
  code: 'DEPENDENCY_CONFLICT',
  message: 'It does not hold what the model requires.',
  fix: 'Log the model again.',
  evidence: {
    pod: 'iris-1-abc',
    exit_code: 3,
    details: { exception: 'KeyError', conflicts: [{ name: 'scikit-learn', wanted: '==0.1', found: null }] },
    log_tail: ['first line', 'last line'],
  },
};
const endpoint = { failure, activeRevision: { id: 'r', number: 2 } } as unknown as Endpoint;
const newest = { number: 3, failure } as unknown as Parameters<typeof Cause>[0]['newest'];

describe('a root cause', () => {
  it('says what to do, what was seen, and what goes on', () => {
    renderPage(<Cause failure={failure} endpoint={endpoint} newest={newest} />);
    expect(screen.getByRole('heading').textContent).toBe(failure.message);
    expect(screen.getByText('Log the model again.', { exact: false })).toBeTruthy();
    expect(screen.getByText('Revision 3 failed; revision 2 goes on answering.')).toBeTruthy();
    expect(screen.getByText('iris-1-abc')).toBeTruthy();
    expect(screen.getByText('3')).toBeTruthy();
    expect(screen.getByText('Exception')).toBeTruthy();
    expect(screen.getByText('wanted ==0.1, not installed')).toBeTruthy();
    expect(screen.getByLabelText('The last lines of its log').textContent).toBe('first line\nlast line');
  });

  it('does without evidence', () => {
    const bare = { ...failure, evidence: {} };
    renderPage(<Cause failure={bare} endpoint={{ ...endpoint, activeRevision: null }} newest={undefined} />);
    expect(screen.queryByText('Pod')).toBeNull();
    expect(screen.getByText('DEPENDENCY_CONFLICT')).toBeTruthy();
  });
});

import { act, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import type { EndpointStatusFragment, Lifecycle } from '@/graphql/generated';
import { keep, MOST } from '@/graphql/newest';
import { renderPage } from '@/test-page';
import { EndpointBadge, ModelEndpointBadges, statusOf } from './status';

const lifecycles: Lifecycle[] = ['PENDING', 'RUNNING', 'SERVING', 'FAILED', 'TERMINATED'];
const endpoint = (changes: object) => ({
  id: 'one',
  updatedAt: '2026-01-01T00:00:00.000001Z',
  lifecycle: 'RUNNING' as Lifecycle,
  desired: 'DEPLOYED' as const,
  progressing: false,
  healthy: true,
  servingWeight: 0,
  message: '',
  failure: null,
  ...changes,
});

describe('the one word of an endpoint', () => {
  it.each([
    [{ lifecycle: 'PENDING', progressing: true }, 'Deploying', 'busy'],
    [{}, 'Running', 'good'],
    [{ lifecycle: 'SERVING' }, 'Serving', 'good'],
    [{ progressing: true }, 'Redeploying', 'busy'],
    [{ lifecycle: 'SERVING', progressing: true }, 'Serving, redeploying', 'busy'],
    [{ healthy: false }, 'Unhealthy', 'warn'],
    [{ lifecycle: 'SERVING', healthy: false, progressing: true }, 'Serving, unhealthy', 'warn'],
    [{ lifecycle: 'FAILED' }, 'Failed', 'bad'],
    [{ lifecycle: 'TERMINATED' }, 'Undeployed', 'off'],
    [{ desired: 'TERMINATED', progressing: true }, 'Removing', 'busy'],
  ])('%o is %s', (changes, word, tone) => {
    expect(statusOf(endpoint(changes))).toEqual({ word, tone });
  });

  it('there is one for every state there can be', () => {
    for (const lifecycle of lifecycles)
      for (const progressing of [true, false])
        for (const healthy of [true, false])
          for (const desired of ['DEPLOYED', 'TERMINATED'])
            expect(statusOf(endpoint({ lifecycle, progressing, healthy, desired })).word).not.toBe('');
  });
});

it('tells its share and never by colour alone', () => {
  renderPage(<EndpointBadge endpoint={endpoint({ lifecycle: 'SERVING', servingWeight: 20 })} />);
  expect(screen.getByText('Serving 20 %')).toBeTruthy();
});

it('tells where, once a model is served in several environments', () => {
  const served = (name: string) => ({
    id: name,
    environment: { name },
    status: 'SERVING' as const,
    progressing: name === 'live',
    message: '',
    failure: null,
  });
  const { unmount } = renderPage(<ModelEndpointBadges endpoints={[served('local')]} />);
  expect(screen.getByText('Serving')).toBeTruthy();
  unmount();
  renderPage(<ModelEndpointBadges endpoints={[served('local'), served('live')]} />);
  expect(screen.getByText('Serving in local')).toBeTruthy();
  expect(screen.getByText('Switching in live')).toBeTruthy();
});

it('tells what came after it was read, and nothing older', () => {
  const one = (healthy: boolean, updatedAt: string) =>
    ({ ...endpoint({ id: 'told', healthy }), updatedAt }) as EndpointStatusFragment;
  renderPage(<EndpointBadge endpoint={one(true, '2026-01-01T00:00:00.000001Z')} />);
  act(() => keep(one(false, '2025-12-31T23:59:59.999999Z')));
  expect(screen.getByText('Running')).toBeTruthy();
  act(() => keep(one(false, '2026-01-01T00:00:00.000002Z')));
  expect(screen.getByText('Unhealthy')).toBeTruthy();
  // Events about other things, or about what is gone.
  act(() => keep({ id: 'told' }));
  act(() => keep(null));
  expect(screen.getByText('Unhealthy')).toBeTruthy();
});

it('forgets what it was told of longest ago', () => {
  const later = (id: string) =>
    ({ ...endpoint({ id, healthy: false }), updatedAt: '2026-01-02T00:00:00.000000Z' }) as EndpointStatusFragment;
  keep(later('oldest'));
  keep(later('next'));
  for (let count = 1; count < MOST; count++) keep(later(`other ${count}`));
  renderPage(<EndpointBadge endpoint={endpoint({ id: 'oldest' })} />);
  expect(screen.getByText('Running')).toBeTruthy();
  renderPage(<EndpointBadge endpoint={endpoint({ id: 'next' })} />);
  expect(screen.getByText('Unhealthy')).toBeTruthy();
});

it('tells why to those who hear it, without a stop for the Tab key', () => {
  const { container } = renderPage(
    <EndpointBadge endpoint={endpoint({ healthy: false, message: 'A pod restarts.' })} />,
  );
  expect(container.textContent).toContain('Unhealthy (A pod restarts.)');
  expect(container.querySelector('[tabindex]')).toBeNull();
});

import { act, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { leaveBy, mustReload } from '@/shell/leaving';
import { renderPage } from '@/test-page';
import { Stay } from './stay';

const page = (unsaved: boolean) => <Stay unsaved={unsaved}>What you typed is lost.</Stay>;

it('asks before what was typed is lost, and stays where one is', async () => {
  const { router } = renderPage(page(true), { at: '/form' });
  await router.navigate('/elsewhere');
  expect(await screen.findByText('What you typed is lost.')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Stay' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(router.state.location.pathname).toBe('/form');
});

it('goes where one wanted to once that was said', async () => {
  const { router } = renderPage(page(true), { at: '/form' });
  await router.navigate('/elsewhere');
  await userEvent.click(await screen.findByRole('button', { name: 'Leave' }));
  await waitFor(() => expect(router.state.location.pathname).toBe('/elsewhere'));
});

it.each([
  [true, '/form?environment=live'],
  [false, '/elsewhere'],
])('does not ask when nothing is lost (typed: %s, to %s)', async (typed, to) => {
  const { router } = renderPage(page(typed), { at: '/form' });
  await router.navigate(to);
  expect(router.state.location.pathname + router.state.location.search).toBe(to);
  expect(screen.queryByRole('dialog')).toBeNull();
});

/** Whether the browser asks before it unloads the page. */
const asksToUnload = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }));

it('has the browser ask before a reload while there is something to lose, and then no more', () => {
  const typed = renderPage(page(true));
  expect(asksToUnload()).toBe(true);
  typed.unmount();
  expect(asksToUnload()).toBe(false);
  renderPage(page(false));
  expect(asksToUnload()).toBe(false);
});

it('asks before the session ends, which then goes as one says', async () => {
  const go = vi.fn();
  renderPage(page(true));
  act(() => leaveBy(go));
  await userEvent.click(await screen.findByRole('button', { name: 'Stay' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(go).not.toHaveBeenCalled();
  act(() => leaveBy(go));
  await userEvent.click(await screen.findByRole('button', { name: 'Leave' }));
  expect(go).toHaveBeenCalledOnce();
});

it('ends the session at once when nothing would be lost', () => {
  const go = vi.fn();
  renderPage(page(false));
  leaveBy(go);
  expect(go).toHaveBeenCalledOnce();
});

it('does not keep a page that must go', () => {
  const reload = vi.fn();
  vi.stubGlobal('location', { reload });
  renderPage(page(true));
  mustReload();
  expect(reload).toHaveBeenCalledOnce();
  expect(asksToUnload()).toBe(false);
  vi.unstubAllGlobals();
});

import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { render } from '@testing-library/react';
import { MantineProvider } from '@mantine/core';
import { useClient } from 'urql';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

const { follow, hush, reread, speak, stop } = vi.hoisted(() => {
  const [speak, stop] = [vi.fn(), vi.fn()];
  return { follow: vi.fn(() => stop), hush: vi.fn(() => speak), reread: vi.fn(), speak, stop };
});
vi.mock('@/graphql/feed', () => ({ follow, hush, reread }));

type Sent = { path: string; body: string };
let sent: Sent[];
let known: Set<string>;
let cookie: boolean;
let subject: string;

let ending: Promise<Response>;

/** An API that knows some tokens, and browsers that have its cookie. */
beforeEach(() => {
  sent = [];
  stop.mockClear();
  known = new Set(['good']);
  cookie = false;
  subject = 'ada';
  vi.resetModules();
  vi.stubGlobal('fetch', (input: string | Request, init?: RequestInit) => {
    const path = String(typeof input === 'string' ? input : input.url);
    sent.push({ path, body: String(init?.body ?? '') });
    if (path.endsWith('/session')) {
      cookie = known.has((JSON.parse(String(init?.body)) as { token: string }).token);
      return Promise.resolve(new Response('{}', { status: cookie ? 200 : 401 }));
    }
    if (path.endsWith('/session/end')) {
      cookie = false;
      return ending;
    }
    const me = {
      me: { subject, isAdministrator: false },
      server: { version: '1', mlflowUrl: '', publicUrl: '' },
    };
    const headers = { 'content-type': 'application/json' };
    return Promise.resolve(
      cookie
        ? new Response(JSON.stringify({ data: me }), { headers })
        : new Response('{"errors":[{"message":"A token is needed"}]}', { status: 401, headers }),
    );
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.doUnmock('@/shell/leaving');
});

async function open(address: string) {
  history.replaceState(null, '', address);
  const { SessionGate, useSession } = await import('./gate');
  const Inside = () => {
    const client = useClient();
    const session = useSession();
    const again = () => client.query('{ me { subject } }', {}, { requestPolicy: 'network-only' }).toPromise();
    return (
      <>
        <p>Hello {session.me.subject}</p>
        <input aria-label="Typed" />
        <button onClick={() => void again()}>Ask</button>
        <button onClick={session.leave}>Sign out</button>
      </>
    );
  };
  return render(
    <MantineProvider env="test">
      <SessionGate>
        <Inside />
      </SessionGate>
    </MantineProvider>,
  );
}

it('takes the token from the address, once, and out of it', async () => {
  await open('/projects/wine?token=good&sort=name');
  expect(await screen.findByText('Hello ada')).toBeTruthy();
  expect(location.pathname + location.search).toBe('/projects/wine?sort=name');
  expect(sent.filter(({ path }) => path.endsWith('/session'))).toEqual([
    { path: '/session', body: '{"token":"good"}' },
  ]);
  await waitFor(() => expect(follow).toHaveBeenCalled());
});

it('comes in by its cookie', async () => {
  cookie = true;
  await open('/');
  expect(await screen.findByText('Hello ada')).toBeTruthy();
  expect(sent.every(({ path }) => path.endsWith('/graphql'))).toBe(true);
});

it('says how to get in, and why a token is not taken', async () => {
  await open('/');
  const field = await screen.findByLabelText(/Or paste a token/);
  expect(screen.getAllByText('merlin up')).not.toHaveLength(0);
  await userEvent.type(field, 'wrong');
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
  expect(await screen.findByText(/does not know this token/)).toBeTruthy();
});

it('a pasted token opens the page that was asked for', async () => {
  await open('/environments');
  await userEvent.type(await screen.findByLabelText(/Or paste a token/), ' good ');
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
  await waitFor(() => expect(screen.getByText('Hello ada')).toBeTruthy());
  expect(location.pathname).toBe('/environments');
});

it('keeps the page with what was typed while one signs in again over it', async () => {
  cookie = true;
  await open('/');
  await userEvent.type(await screen.findByLabelText('Typed'), 'much');
  cookie = false;
  await userEvent.click(screen.getByText('Ask'));
  await screen.findByRole('dialog', { name: 'Sign in again' });
  await userEvent.type(screen.getByLabelText(/Your token/), 'wrong');
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
  expect(await screen.findByText(/does not know this token/)).toBeTruthy();
  expect(screen.getByLabelText<HTMLInputElement>('Typed').value).toBe('much');
  reread.mockClear();
  await userEvent.clear(screen.getByLabelText(/Your token/));
  await userEvent.type(screen.getByLabelText(/Your token/), 'good');
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(screen.getByLabelText<HTMLInputElement>('Typed').value).toBe('much');
  expect(reread).toHaveBeenCalledOnce();
});

it('lets in who signed in beside, in another tab', async () => {
  cookie = true;
  await open('/');
  await screen.findByText('Hello ada');
  cookie = false;
  await userEvent.click(screen.getByText('Ask'));
  await screen.findByRole('dialog');
  cookie = true;
  window.dispatchEvent(new Event('focus'));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});

/** A page of Ada's; `typed` says whether something would be lost with it. */
async function openOfAda(typed: boolean) {
  const mustReload = vi.fn();
  vi.doMock('@/shell/leaving', () => ({ mustReload, isKept: () => typed }));
  cookie = true;
  await open('/');
  await screen.findByText('Hello ada');
  return mustReload;
}

const look = () => window.dispatchEvent(new Event('focus'));

it('loads the page anew, as who signed in meanwhile, when another window says so', async () => {
  const mustReload = await openOfAda(false);
  subject = 'bob';
  const other = new BroadcastChannel('merlin-session');
  other.postMessage(null);
  await waitFor(() => expect(mustReload).toHaveBeenCalled());
  other.close();
});

it('loads the page anew, as who signed in meanwhile, when one comes back to it', async () => {
  const mustReload = await openOfAda(false);
  subject = 'bob';
  look();
  await waitFor(() => expect(mustReload).toHaveBeenCalled());
});

it('leaves a page as it is whose session is the same', async () => {
  const mustReload = await openOfAda(false);
  const before = sent.length;
  look();
  await waitFor(() => expect(sent.length).toBeGreaterThan(before));
  expect(await screen.findByText('Hello ada')).toBeTruthy();
  expect(screen.queryByRole('dialog')).toBeNull();
  expect(mustReload).not.toHaveBeenCalled();
});

it('keeps what was typed, and reads nothing anew, until who typed it signs in again or gives it up', async () => {
  const mustReload = await openOfAda(true);
  subject = 'bob';
  look();
  await screen.findByRole('dialog', { name: 'You are bob now' });
  expect(mustReload).not.toHaveBeenCalled();
  await userEvent.click(screen.getByRole('button', { name: 'Go on without it' }));
  expect(mustReload).toHaveBeenCalledOnce();
  expect(hush).toHaveBeenCalledOnce();
  expect(stop).not.toHaveBeenCalled();
  reread.mockClear();
  subject = 'ada';
  await userEvent.type(screen.getByLabelText(/Token of ada/), 'good{Enter}');
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(speak.mock.invocationCallOrder[0]).toBeLessThan(reread.mock.invocationCallOrder[0]!);
});

it('asks nobody to sign in again who just signed out, though the server tells of it before it answers', async () => {
  let answer = (_: Response) => {};
  ending = new Promise((go) => (answer = go));
  cookie = true;
  await open('/');
  await userEvent.click(await screen.findByText('Sign out'));
  look();
  expect(await screen.findByRole('heading', { level: 1, name: /Sign in/ })).toHaveProperty(
    'textContent',
    'Sign in to Merlin',
  );
  expect(screen.queryByRole('dialog')).toBeNull();
  answer(new Response('{}'));
});

it('tells the other windows that one signed in', async () => {
  const others = new BroadcastChannel('merlin-session');
  const told = new Promise((tell) => others.addEventListener('message', tell));
  await open('/?token=good');
  await told;
  others.close();
});

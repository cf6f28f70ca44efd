// The session of this browser: a cookie that no page can read; the console's and GraphiQL's. A token is given once, and
// never kept here.

import { tellWindows } from './beside';

const NO_ANSWER = 'Merlin does not answer. Is it running?';
const DEADLINE_MS = 30_000;

const post = (path: string, body: unknown) =>
  fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(DEADLINE_MS),
  });

/** The token in the address, which is taken out of it at once. */
export function takeToken(): string | null {
  const address = new URL(location.href);
  const token = address.searchParams.get('token');
  if (token !== null) {
    address.searchParams.delete('token');
    history.replaceState(history.state, '', address);
  }
  return token;
}

/** Begin a session. Returns why that failed, or undefined. */
export async function signIn(token: string): Promise<string | undefined> {
  try {
    const response = await post('/session', { token });
    if (response.ok) {
      tellWindows();
      return undefined;
    }
    if (response.status === 401) return 'Merlin does not know this token. It may be of another platform, or revoked.';
    const answer = (await response.json().catch(() => null)) as { errors?: { message: string }[] } | null;
    return answer?.errors?.[0]?.message ?? `Merlin answered ${response.status}.`;
  } catch {
    return NO_ANSWER;
  }
}

/** Whether there is a session; else why that could not be told. */
export async function hasSession(): Promise<boolean | string> {
  try {
    const { ok, status } = await post('/graphql', { query: '{ me { subject } }' });
    return ok || (status !== 401 && `Merlin answered ${status}.`);
  } catch {
    return NO_ANSWER;
  }
}

/** End the session. Returns what to know when that failed, or undefined. */
export async function signOut(): Promise<string | undefined> {
  try {
    if ((await post('/session/end', {})).ok) {
      tellWindows();
      return undefined;
    }
  } catch {
    // Told below, as a refusal is.
  }
  return 'Merlin did not answer: this browser may still be signed in.';
}

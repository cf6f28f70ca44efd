// The other windows of this browser: they share its cookie, and with it who one is.
import { onConnection } from '@/graphql/socket';

const windows = new BroadcastChannel('merlin-session');

/** Have the other windows look again who one is: it has changed here. */
export const tellWindows = (): void => windows.postMessage(null);

/**
 * Call `look` when one may be somebody else by now, until the returned function is called: another window says so, one
 * comes back to this one, or a lost connection is back.
 */
export function watchWindows(look: () => void): () => void {
  let lost = false;
  const heal = onConnection((now) => {
    if (lost && now === 'connected') look();
    lost = now === 'lost' || (lost && now !== 'connected');
  });
  windows.addEventListener('message', look);
  addEventListener('focus', look);
  return () => {
    heal();
    windows.removeEventListener('message', look);
    removeEventListener('focus', look);
  };
}

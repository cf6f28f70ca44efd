// A lost connection is said, once it has lasted; it heals by itself and nothing is missed (graphql/feed.ts).
import { Alert, Text } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { useSyncExternalStore } from 'react';
import { connectionNow, onConnection } from '@/graphql/socket';
import { isWaiting, watchWaiting } from './chunks';
import { useLasting } from './lasting';

const PATIENCE_MS = 700;

/** Whether the server has not been reached for a moment. */
export function useAway(): boolean {
  const cut = useSyncExternalStore(onConnection, connectionNow) === 'lost';
  const waiting = useSyncExternalStore(watchWaiting, isWaiting);
  return useLasting(cut || waiting, PATIENCE_MS);
}

export function ConnectionBanner() {
  const waiting = useSyncExternalStore(watchWaiting, isWaiting);
  if (!useAway()) return null;
  return (
    <Alert color="yellow" role="status" mb="md" py="xs" icon={<IconPlugConnectedX size={18} />}>
      <Text size="sm">
        <b>The connection to Merlin is lost.</b> What you see may be old. This page connects again by itself and then
        shows everything that happened meanwhile.{waiting && ' What you asked for opens then.'}
      </Text>
    </Alert>
  );
}
